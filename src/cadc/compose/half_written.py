"""Put aside what DVC was writing when it was killed. DVC writes its lock files in place, and refuses half of one, or
believes it.

Little is lost: the next run takes every stage that ended here, but for frozen ones, from DVC's run cache.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from cadc import artifacts

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the lock files of all studies have megabytes
_CONFLICT = re.compile(rb"^(<<<<<<<|=======|>>>>>>>)", re.MULTILINE)


def mend(root: Path = Path()) -> list[str]:
    """Move each half-written dvc.lock and .dvc/tmp/rwlock of a DVC project to .dvc/tmp/half, and put git's version of a
    dvc.lock in its place. Returns a sentence for each.

    Left alone: what a running DVC is writing, links, merge conflicts, and folders that are no DVC project.
    """
    kept, told = root / ".dvc/tmp/half", []
    if not (root / ".dvc").is_dir():
        return []
    for path in (root / "dvc.lock", *sorted(root.glob("pipelines/*/dvc.lock"))):
        if path.is_file() and not path.is_symlink() and not is_lock(path.read_bytes()):
            with _locked(root, "lock") as ours:
                if ours and not is_lock(path.read_bytes()) and not _unmerged(path):
                    told.append(_replace(path, kept / "-".join(path.relative_to(root).parts)))
    path = root / ".dvc/tmp/rwlock"
    if path.is_file() and not _is_json(path):
        with _locked(root, "rwlock.lock") as ours:
            if ours and not _is_json(path):
                told.append(_replace(path, kept / "rwlock"))
    return told


@contextmanager
def _locked(root: Path, name: str) -> Iterator[bool]:
    """Hold one of DVC's own locks; gives False if a DVC holds it for more than three seconds."""
    from dvc.config import Config  # late: few calls come here
    from dvc.lock import LockError, make_lock

    folder = root / ".dvc/tmp"
    folder.mkdir(exist_ok=True)
    hard = Config(str(root / ".dvc"), validate=False).get("core", {}).get("hardlink_lock", False)
    lock = make_lock(str(folder / name), tmp_dir=str(folder), hardlink_lock=str(hard).lower() == "true")
    try:
        lock.lock()
    except LockError:
        yield False
        return
    try:
        yield True
    finally:
        lock.unlock()


def is_lock(text: bytes) -> bool:
    """Whether this is a whole dvc.lock, or one with a merge conflict for the user to resolve.

    DVC would believe some halves: a line cut in the middle, which no newline ends, and an output without its size.
    """
    if _CONFLICT.search(text):
        return True
    if not text.endswith(b"\n"):
        return False
    return _fits(lambda: yaml.load(text, _LOADER)) or _fits(lambda: _slowly(text))


def _slowly(text: bytes) -> object:
    """As DVC reads it: by YAML 1.2, in which a stage may be called `on`."""
    from dvc.utils.serialize import parse_yaml  # late, as below: they take half a second

    return parse_yaml(text.decode(), "dvc.lock")


def _fits(read: Callable[[], object]) -> bool:
    """Whether what is read can be parsed, fits DVC's schema and has a size for every output."""
    from dvc.dvcfile import Lockfile
    from dvc.exceptions import DvcException

    try:
        stages = Lockfile.validate(read()).get("stages")
    except (yaml.YAMLError, ValueError, DvcException):
        return False
    outs = [out for stage in (stages or {}).values() for out in stage.get("outs", ())]
    whole = ("size" in out and ("nfiles" in out or not out.get("md5", "").endswith(".dir")) for out in outs)
    return stages is not None and all(whole)


def _is_json(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except ValueError:
        return False


def _git(path: Path, *command: str) -> bytes:
    """What a command of git says in the file's folder; nothing where it fails."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # hooks set some
    try:
        done = subprocess.run(["git", *command], cwd=path.parent, capture_output=True, env=env)
    except OSError:  # there is no git
        return b""
    return b"" if done.returncode else done.stdout


def _unmerged(path: Path) -> bool:
    return bool(_git(path, "ls-files", "-u", "--", path.name))


def _replace(path: Path, kept: Path) -> str:
    """Move a file to `kept` and put git's version in its place, if it is a whole dvc.lock; gives what was done."""
    own = _git(path, "show", f":./{path.name}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    os.replace(path, kept)
    said = f"{path}: half-written (was DVC killed, or the disk full?); moved to {kept}"
    if path.name != "dvc.lock":
        return said
    if own and is_lock(own):
        artifacts.write_text(path, own.decode())
        said += ", and git's version put back"
    return f"{said}. The next run takes finished stages from DVC's cache"
