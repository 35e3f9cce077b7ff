"""`manifest.json`: what an export contains and where it came from."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from cadc.artifacts import Selection, read_json, write_json
from cadc.config.arms import Arm
from cadc.config.errors import InputError
from cadc.data.pictures import file_digest
from cadc.export.records import Chosen

_BATCH = 512


def pool_digest(pool: pa.Table, folder: Path | None) -> str:
    """SHA-256 over a pool's rows: id, source, turns and images of each, in order.

    An image counts by its bytes if the table holds them, else by its path relative to the image folder `folder`, so the
    digest does not depend on where a pool lies.
    """
    digest = hashlib.sha256()
    prefix = f"{folder}/"
    for batch in pool.to_batches(_BATCH):
        for row in batch.to_pylist():
            pictures = [
                file_digest(image["bytes"]).hex() if image["bytes"] is not None else image["path"].removeprefix(prefix)
                for image in row["images"]
            ]
            digest.update(json.dumps([row["id"], row["source"], row["turns"], pictures]).encode() + b"\n")
    return digest.hexdigest()


def manifest(
    arm: Arm, selection: Selection, rows: Iterable[Chosen], capability: np.ndarray | None, facts: dict
) -> dict:
    """The manifest of one run's export.

    rows: the distinct selected rows, in any order. capability int [len(selection)]: of each row, None if the arm has
    none. facts: further entries.

    It holds no commit, time, host or local path: the same inputs give the same bytes (`stamp` adds the commit).
    """
    row, first = np.unique(selection.row, return_index=True)
    by_capability = None if capability is None else Counter(capability[first].tolist())
    return {
        "method": arm.method,
        "parameters": {"signal": arm.signal, "select": arm.select, "curate": arm.curate.model_dump()},
        "budget": arm.budget,
        "rows": len(selection),
        "different_rows": len(row),
        "replayed_rows": len(selection) - len(row),
        "stages": int(selection.stage.max(initial=0)) + 1,
        "by_source": dict(Counter(chosen.source for chosen in rows)),
        "by_capability": by_capability and {str(key): n for key, n in by_capability.items()},
        **facts,
    }


def commit_of(repository: Path) -> str:
    """A repository's current commit, with `-dirty` if tracked files are changed. Raises InputError if there is
    none."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    if asked.returncode:
        raise InputError(f"{repository.resolve()}: git finds no commit here ({asked.stderr.strip()})")
    return asked.stdout.strip()


def stamp(folder: Path, repository: Path = Path(".")) -> dict:
    """Add the repository's commit to the manifest.json of a copied export, as `commit`; returns the manifest.

    Raises InputError if `folder` holds no manifest or is DVC's own copy, or if there is no commit (`commit_of`).
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a folder written by `export`")
    commit = commit_of(repository)
    if path.is_symlink() or path.stat().st_nlink > 1:
        raise InputError(f"{path}: a link into DVC's cache; copy the export first, then stamp the copy")
    made = read_json(path) | {"commit": commit}
    write_json(path, made)
    return made
