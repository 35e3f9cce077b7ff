"""End processes together with their parent, so that a killed stage leaves no workers behind."""

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
    """End this process with a signal when its parent process `parent` has ended, for whatever reason.

    On Linux, the kernel does this, whatever this process is doing. Elsewhere, a thread does it, in processes started by
    multiprocessing.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_SET_PDEATHSIG, by, 0, 0, 0)
        if os.getppid() != parent:  # the parent ended before prctl was called
            os.kill(os.getpid(), by)
    elif (started_by := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_wait_for, args=(started_by, by), daemon=True).start()


def end_with_dvc() -> None:
    """End a stage together with the DVC that runs it. The shell between them is replaced by the stage (exec).

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
