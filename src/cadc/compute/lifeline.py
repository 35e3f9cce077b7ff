"""Processes that end with the one that started them: a stage that is killed leaves nobody at work behind it."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from pathlib import Path

from cadc import STARTED_BY
from cadc.config.errors import InputError

_SET_PDEATHSIG = 1  # prctl's


def end_with_parent(parent: int, by: int = signal.SIGKILL) -> None:
    """End this process, by a signal, once the process `parent`, which started it, has gone, however that ended.

    On Linux the kernel sees to it, whatever this process is at. Elsewhere a thread does, of a process that
    multiprocessing has started.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_SET_PDEATHSIG, by, 0, 0, 0)
        if os.getppid() != parent:  # it was quicker
            os.kill(os.getpid(), by)
    elif (started_by := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_wait_for, args=(started_by, by), daemon=True).start()


def end_with_dvc() -> None:
    """Of a stage that DVC runs: end with it. The shell between them hands its place to the stage.

    Raises InputError where DVC went while the stage was loading: another process is its parent by then, and nothing
    that can be seen of that one says so. What started the stage has therefore left its number (`STARTED_BY`) and must
    be among the stage's ancestors. In DVC's own environment Python imports cadc as it starts, so that no moment is left
    out. A DVC of another environment leaves none: of it the stage knows the parent that it had when it imported cadc,
    and what ends before, in the milliseconds in which Python starts, is not seen.
    """
    if "DVC_STAGE" not in os.environ or sys.platform != "linux":
        return
    end_with_parent(os.getppid(), signal.SIGTERM)
    if not _is_ancestor(STARTED_BY):
        raise InputError("the DVC that started it has gone; run it again")


def _is_ancestor(process: int) -> bool:
    """Whether this process was started by another, or by one that it started, or has taken its place; True where the
    system does not tell."""
    try:
        above = os.getpid()
        while above not in (0, process):
            above = int(Path(f"/proc/{above}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return True
    return above == process


def _wait_for(process: multiprocessing.process.BaseProcess, by: int) -> None:
    process.join()
    os.kill(os.getpid(), by)
