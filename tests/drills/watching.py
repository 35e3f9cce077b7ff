"""Waits for other processes."""

import os
import time
from pathlib import Path


def working_in(folder: Path) -> list[int]:
    """The other processes whose working folder is `folder`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == folder and "Z" not in (entry / "stat").read_text().rpartition(")")[2][:3]:
                found.append(int(entry.name))
        except OSError:  # it has ended, or belongs to another user
            continue
    return [pid for pid in found if pid != os.getpid()]


def until(holds, seconds: float = 60.0):
    """The value of `holds()` once it is true; the test fails if that takes too long."""
    end = time.monotonic() + seconds
    while not (given := holds()):
        assert time.monotonic() < end, "it did not come to pass in time"
        time.sleep(0.02)
    return given
