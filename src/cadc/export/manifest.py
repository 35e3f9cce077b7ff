"""What an export is of: `manifest.json`."""

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
    """SHA-256 of what a pool's rows say: id, source, turns and pictures of each, in order.

    A picture counts by its bytes where the table holds them, else by its path inside `folder`, the image folder: a
    pool that lies elsewhere is the same.
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
    """What the export of one run is of.

    rows: the different chosen ones, in any order. capability int [len(selection)]: of each row, None where the arm
    knows none. facts: what else is said.

    No commit, time, host or path of this machine: the same inputs give the same bytes (`stamp` adds the commit).
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
    """The commit that a repository is at; `-dirty` follows where tracked files differ from it. Raises InputError where
    there is none."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    if asked.returncode:
        raise InputError(f"{repository.resolve()}: git knows no commit here ({asked.stderr.strip()})")
    return asked.stdout.strip()


def stamp(folder: Path, repository: Path = Path(".")) -> dict:
    """Add the repository's commit to the manifest.json of an export that was copied out, as `commit`; the manifest.

    Raises InputError where `folder` holds no manifest, is DVC's own copy, or there is no commit (`commit_of`).
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a folder that `export` wrote")
    commit = commit_of(repository)
    if path.is_symlink() or path.stat().st_nlink > 1:
        raise InputError(f"{path}: a link into DVC's cache; copy the export first, and stamp the copy")
    made = read_json(path) | {"commit": commit}
    write_json(path, made)
    return made
