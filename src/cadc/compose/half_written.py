"""Mend the files that DVC was writing when it was killed. DVC writes them in place, and refuses half of one.

Nothing is lost: DVC's run cache has every stage that ended here, so the next run brings its outputs back.
"""

from __future__ import annotations

import fcntl
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from cadc import artifacts

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the lock files of all studies have megabytes


def mend(root: Path = Path()) -> list[str]:
    """Replace each half-written dvc.lock under `root` by the one in git's index, or remove it; remove a half-written
    .dvc/tmp/rwlock. Returns a sentence for each.

    A file that a running DVC is writing is left alone: DVC holds a lock while it writes, which is asked for here.
    """
    told = []
    locks = [path for path in (root / "dvc.lock", *sorted(root.glob("pipelines/*/dvc.lock"))) if path.is_file()]
    for path in locks:
        if not _is_lock(path):
            with _free(root / ".dvc/tmp/lock") as free:
                if free and not _is_lock(path):
                    told.append(f"{path}: DVC was killed while it wrote this file; {_replace(path)}")
    path = root / ".dvc/tmp/rwlock"
    if path.is_file() and not _is_json(path):
        with _free(root / ".dvc/tmp/rwlock.lock") as free:
            if free and not _is_json(path):
                path.unlink()
                told.append(f"{path}: DVC was killed while it wrote this file; removed")
    return told


@contextmanager
def _free(lock: Path) -> Iterator[bool]:
    """Hold one of DVC's lock files, if no DVC holds it; gives whether we do."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def _is_lock(path: Path) -> bool:
    """Whether a dvc.lock is whole, or holds a merge conflict for the user to resolve. One cut off in a line does not
    end with a newline."""
    text = path.read_bytes()
    if re.search(rb"^<<<<<<< ", text, re.MULTILINE):
        return True
    if not text.endswith(b"\n"):
        return False
    from dvc.dvcfile import Lockfile  # late: they take half a second
    from dvc.exceptions import DvcException

    try:
        Lockfile.validate(yaml.load(text, _LOADER))
    except (yaml.YAMLError, UnicodeDecodeError, DvcException):
        return False
    return True


def _is_json(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except ValueError:
        return False


def _replace(path: Path) -> str:
    """Put git's version of a file in its place, or remove the file; gives what was done."""
    show = ["git", "show", f":./{path.name}"]
    try:
        kept = subprocess.run(show, cwd=path.parent, capture_output=True)
    except OSError:  # no git
        kept = None
    if kept is None or kept.returncode or kept.stdout == path.read_bytes():  # the last: half a file was added to git
        path.unlink()
        return "removed. The next run takes finished stages from DVC's cache"
    artifacts.write_text(path, kept.stdout.decode())
    return "replaced by git's version. The next run takes finished stages from DVC's cache"
