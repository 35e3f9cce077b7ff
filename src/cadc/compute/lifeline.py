"""Processes that end with the one that started them: a stage that is killed leaves nobody at work behind it."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from pathlib import Path

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

    DVC may have gone while the stage was still importing: then another process is its parent by now.
    """
    if "DVC_STAGE" not in os.environ:
        return
    parent = os.getppid()
    try:
        command = Path(f"/proc/{parent}/cmdline").read_bytes()
    except OSError:  # no Linux, or processes are hidden
        command = b"dvc"
    if b"dvc" not in command and os.fsencode(Path(sys.argv[0]).name) not in command:
        os.kill(os.getpid(), signal.SIGTERM)
    end_with_parent(parent, signal.SIGTERM)


def _wait_for(process: multiprocessing.process.BaseProcess, by: int) -> None:
    process.join()
    os.kill(os.getpid(), by)
