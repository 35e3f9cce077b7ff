"""End processes together with their parent, so that a killed stage leaves no workers behind."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading

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
    """Of a stage that DVC runs: end with it. The shell between them hands its place to the stage."""
    if "DVC_STAGE" in os.environ:
        end_with_parent(os.getppid(), signal.SIGTERM)


def _wait_for(process: multiprocessing.process.BaseProcess, by: int) -> None:
    process.join()
    os.kill(os.getpid(), by)
