"""`make fsck`: check every object of DVC's cache against its name, the digest of its content.

DVC trusts cached files that are read-only, and outputs are hard links to the cache. So a damaged disk, or a write into
an output, changes both at once, and no DVC command notices.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from cadc.compute import console
from cadc.compute.disk import cache_folder

_NAME = re.compile(r"[0-9a-f]{30}(\.dir)?")


def objects(cache: Path) -> Iterator[tuple[str, Path]]:
    """Every object of the cache with its name, in order. Other files are ignored."""
    for path in sorted((cache / "files/md5").glob("[0-9a-f][0-9a-f]/*")):
        if _NAME.fullmatch(path.name):
            yield path.parent.name + path.name, path


def damaged(cache: Path) -> list[tuple[str, Path]]:
    """The objects whose content does not match their name, with their paths."""
    found = []
    for name, path in console.track(list(objects(cache)), "objects"):
        with path.open("rb") as file:
            if hashlib.file_digest(file, "md5").hexdigest() != name.removesuffix(".dir"):
                found.append((name, path))
    return found


def users(names: set[str], cache: Path, root: Path = Path()) -> dict[str, list[str]]:
    """Object -> the outputs that use it, as `path (stage)`, from the lock files of this checkout."""
    found: dict[str, list[str]] = {name: [] for name in names}
    for lock in [root / "dvc.lock", *sorted(root.glob("pipelines/*/dvc.lock"))]:
        stages = (yaml.safe_load(lock.read_text(encoding="utf-8")) or {}).get("stages") or {} if lock.exists() else {}
        place = "" if lock.parent == root else f"{lock.parent.relative_to(root)}/dvc.yaml:"
        for stage, stated in stages.items():
            for out in stated.get("outs", []):
                for name, file in _held(out, cache):
                    if name in found:
                        found[name].append(f"{file} ({place}{stage})")
    return found


def _held(out: dict, cache: Path) -> Iterator[tuple[str, str]]:
    """The objects of an output, each with its file."""
    name = out.get("md5", "")
    yield name, out["path"]
    listed = cache / "files/md5" / name[:2] / name[2:]
    if name.endswith(".dir") and listed.exists():
        try:
            yield from (
                (entry["md5"], f"{out['path']}/{entry['relpath']}") for entry in json.loads(listed.read_bytes())
            )
        except (ValueError, KeyError, TypeError):  # the list itself is damaged, and reported as such
            return


def main() -> int:
    """Print damaged objects, the outputs that use them and what to do; returns the exit status."""
    cache = cache_folder()
    if cache is None or not cache.is_dir():
        console.line(f"fsck: no cache at {cache}, so nothing has been made here yet")
        return 0
    found = damaged(cache)
    used = users({name for name, _ in found}, cache)
    for name, path in found:
        console.line(f"damaged: {path}: {', '.join(used[name]) or 'used by no output of this checkout'}")
    if not found:
        console.line(f"fsck: all {sum(1 for _ in objects(cache))} objects match their names")
        return 0
    stages = sorted({use.rpartition("(")[2].rstrip(")") for uses in used.values() for use in uses})
    console.line(
        "fsck: remove these files from the cache (`rm -f`)"
        + (f" and make them again: `dvc repro -f -s {' '.join(stages)}`" if stages else "")
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
