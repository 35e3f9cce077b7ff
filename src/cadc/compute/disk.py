"""Messages for a full or unwritable disk and for deleted outputs, given before the work if possible."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path

from cadc import artifacts
from cadc.config.errors import InputError, missing

_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}
_CLOSED = {errno.EROFS: "its file system is read-only", errno.EACCES: "there is no permission for it"}
_WORDS = "No space left on device"  # in messages of libraries with their own error types (safetensors)


def trouble(error: BaseException) -> str | None:
    """What to do about an error of a full or unwritable disk, or of an output that was deleted; None for others."""
    number, name = getattr(error, "errno", None), getattr(error, "filename", None)
    if number == errno.ENOENT and name and _is_made(Path(os.fsdecode(name))):
        return str(missing(name))
    if number in _FULL or _WORDS in str(error):
        what = _FULL.get(number, _FULL[errno.ENOSPC])
        return (
            f"{what}{f' ({name})' if name else ''}; finished parts and runs are kept under {artifacts.SCRATCH}: "
            "make room, or remove results that you no longer need (`dvc gc -w`), and run it again"
        )
    if number in _CLOSED and isinstance(error, OSError):
        return f"{name}: {_CLOSED[number]}; fix that and run it again; finished parts are kept"
    return None


def _is_made(path: Path) -> bool:
    """Whether a path lies where stages write."""
    return any(folder.absolute() in path.absolute().parents for folder in (artifacts.ROOT, artifacts.REPORTS))


@contextmanager
def told() -> Iterator[None]:
    """Raise InputError where a command that is no stage has such trouble."""
    try:
        yield
    except OSError as error:
        if (said := trouble(error)) is None:
            raise
        raise InputError(said) from None


def cache_folder(root: Path = Path()) -> Path | None:
    """Where DVC keeps outputs; None where this is no repository of DVC's, or the folder is another user's to name."""
    where = root / ".dvc/cache"
    for name in ("config", "config.local"):
        settings = ConfigParser(interpolation=None)
        settings.read(root / ".dvc" / name, encoding="utf-8")
        if settings.has_option("cache", "dir"):
            where = root / ".dvc" / settings.get("cache", "dir")
    return where if (root / ".dvc").is_dir() else None


def refuse_closed() -> None:
    """Raise InputError if DVC could not store the stage's outputs. DVC itself would fail only after the work, with the
    old outputs already removed."""
    for folder in filter(None, (cache_folder(), artifacts.ROOT)):
        there = next((path for path in (folder, *folder.absolute().parents) if path.exists()), folder)
        if not os.access(there, os.W_OK):
            raise InputError(f"{folder}: not writable, so the results would be lost; make it writable")
        try:
            free = os.statvfs(there)
        except OSError:
            continue
        if free.f_blocks and not free.f_bavail:  # some file systems report neither
            raise InputError(f"{folder}: the disk is full; make room and run it again")
