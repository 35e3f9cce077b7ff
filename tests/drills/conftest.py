"""What the drills need, and the table of what came of them: reports/drills.md, which `make drills` writes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests/pipeline"))  # the miniature
TABLE = ROOT / "reports/drills.md"
WORDS = {"passed": "held", "failed": "failed", "skipped": "not run"}
_came: dict[str, str] = {}  # test -> its row


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


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 400 KB, which `resize(KB)` changes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no file system may be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" or report.outcome == "skipped":
        why = f": {report.longrepr[2].removeprefix('Skipped: ')}" if report.outcome == "skipped" else ""
        said = " ".join((item.function.__doc__ or item.name).split())
        case = f" ({item.callspec.id})" if hasattr(item, "callspec") else ""
        _came[item.nodeid] = f"| {said.rstrip('.')}{case} | {WORDS[report.outcome]}{why} |"


def pytest_sessionfinish(session):
    """Only where all were asked for: `make test` runs the quick ones alone."""
    if _came and session.config.option.markexpr == "drill or not drill":
        head = "# Drills\n\nWhat must hold where a run is killed, doubled, starved or damaged. Made by `make drills`.\n"
        TABLE.write_text("\n".join([head, "| what must hold | |", "|:--|:--|", *_came.values()]) + "\n")
