"""End a process that hangs: a GPU that stops responding raises no error, and all others would wait for it forever."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cadc.config.errors import InputError

HOURS = 3.0  # (ours) no batch, reply, shard or loading of a model takes as long
_heard = 0.0  # when this process last showed a sign of life


def limit() -> float:
    """Seconds without a sign of life after which a process counts as hung: CADC_TIMEOUT, in hours. Raises InputError if
    that is not a positive number."""
    given = os.environ.get("CADC_TIMEOUT")
    try:
        hours = HOURS if given is None else float(given)
        if hours > 0:
            return 3600 * hours
    except ValueError:
        pass
    raise InputError(f"CADC_TIMEOUT is {given!r}; give a number of hours, such as CADC_TIMEOUT=0.5") from None


def beat() -> None:
    """A sign of life of this process; long computations call it repeatedly."""
    global _heard
    _heard = time.monotonic()


@contextmanager
def over(what: str, tells: Path | None = None, hears: Path | None = None) -> Iterator[None]:
    """End this process with a message that names `what` after `limit()` seconds without a sign of life.

    Signs of life are this process's own beats, which touch the file `tells` for other machines, or, if this process
    only waits for others, changes of the file `hears`. Finished shards are kept.
    """
    seconds, over = limit(), threading.Event()
    beat()
    thread = threading.Thread(target=_watch, args=(what, seconds, over, tells, hears), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _watch(what: str, seconds: float, over: threading.Event, tells: Path | None, hears: Path | None) -> None:
    told, changed = 0.0, None
    while not over.wait(min(30.0, seconds / 10)):
        if hears is not None and (now := _changed(hears)) != changed:
            changed = now
            beat()
        elif tells is not None and told != _heard:
            told = _heard
            tells.touch()
        if time.monotonic() - _heard > seconds:
            print(
                f"{what}: no sign of life for {seconds / 3600:g} hours, so this process ends: look for a GPU or a "
                "machine that hangs and run the stage again; finished parts are kept. CADC_TIMEOUT=HOURS waits longer",
                file=sys.stderr,
                flush=True,
            )
            os._exit(1)


def _changed(file: Path) -> float | None:
    return file.stat().st_mtime if file.exists() else None
