"""Locks between processes, as files: the system lets go of them when a process ends, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cadc.compute import console
from cadc.config.errors import InputError

_held: dict[Path, IO[str]] = {}  # for as long as this process lives


def hold(path: Path, what: str) -> None:
    """Hold the lock `path` until `release` or the end of this process. Raises InputError where another process has it.

    A process that it starts does not hold it. On a file system without locks nothing is held.
    """
    path = path.absolute()
    while path not in _held:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
        if _taken(file, wait=False) is False:
            file.seek(0)
            holder = file.read()
            file.close()
            raise InputError(
                f"{what} is running already, as process {holder}; wait for it or end it, and run this again"
            )
        if not _is(file, path):  # its holder has let go of it, and removed it, meanwhile
            file.close()
            continue
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        _held[path] = file


def release(path: Path) -> None:
    """Let go of the lock `path`, and of all that are held in the folder of its name, and remove them."""
    path = path.absolute()
    for one in [one for one in _held if one == path or path.with_suffix("") in one.parents]:
        one.unlink(missing_ok=True)
        _held.pop(one).close()


def _is(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def alone(path: Path, what: str) -> Iterator[bool]:
    """Hold the lock `path` for the duration; while another process has it, wait, and say so. Yields whether it is held,
    for there are file systems without locks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        if (held := _taken(file, wait=False)) is False:
            console.line(f"{what}: another process is at it; this one waits")
            held = _taken(file, wait=True)
        yield bool(held)


def _taken(file: IO[str], wait: bool) -> bool | None:
    """Whether this process has the lock; None where there are no locks."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        return False if error.errno in (errno.EACCES, errno.EAGAIN) else None
    return True
