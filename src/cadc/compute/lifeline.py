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
    """End a stage together with the DVC that runs it. The shell between them is replaced by the stage (exec)."""
    if "DVC_STAGE" in os.environ:
        end_with_parent(os.getppid(), signal.SIGTERM)


def _wait_for(process: multiprocessing.process.BaseProcess, by: int) -> None:
    process.join()
    os.kill(os.getpid(), by)
