"""Waiting for what other processes do."""

import os
import time
from pathlib import Path


def working_in(folder: Path) -> list[int]:
    """The processes whose working folder this is, but for this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == folder and "Z" not in (entry / "stat").read_text().rpartition(")")[2][:3]:
                found.append(int(entry.name))
        except OSError:  # it has gone meanwhile, or is another user's
            continue
    return [pid for pid in found if pid != os.getpid()]


def until(holds, seconds: float = 60.0):
    """What `holds()` gives once it gives something; the test fails where it does not in time."""
    end = time.monotonic() + seconds
    while not (given := holds()):
        assert time.monotonic() < end, "it did not come to pass in time"
        time.sleep(0.02)
    return given
