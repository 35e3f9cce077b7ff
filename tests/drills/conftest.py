"""Fixtures of the drills, and the table of their outcomes: reports/drills.md, which `make drills` writes."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests/pipeline"))  # the miniature
from miniature import clone, run  # noqa: E402  the path must be extended first

TABLE = ROOT / "reports/drills.md"
WORDS = {"passed": "held", "failed": "failed", "skipped": "not run"}
RULE = "|:--|--:|:--|"
_came: dict[str, list[str]] = {}  # what must hold -> the outcome of each case


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


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A miniature whose root pipeline ran without faults."""
    folder = clone(tmp_path_factory.mktemp("undisturbed"))
    run(folder, "dvc", "repro", workers="2")
    return folder


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" or report.outcome != "passed":
        why = f": {report.longrepr[2].removeprefix('Skipped: ')}" if report.outcome == "skipped" else ""
        said = " ".join((item.function.__doc__ or item.name).split()).rstrip(".")
        _came.setdefault(said, []).append(WORDS[report.outcome] + why)


def pytest_sessionfinish(session):
    """Write the table, but not in `make test`, which runs only the quick drills. Rows of other drills are kept, because
    `make drills` runs two parts; it deletes the table first."""
    if not _came or session.config.option.markexpr != "drill or not drill":
        return
    rows = {said: f"| {said} | {len(came)} | {', '.join(dict.fromkeys(came))} |" for said, came in _came.items()}
    if TABLE.exists():
        lines = TABLE.read_text().splitlines()
        rows = {line.split(" | ")[0].removeprefix("| "): line for line in lines[lines.index(RULE) + 1 :]} | rows
    head = "# Drills\n\nWhat must hold if a run is killed, started twice, short of memory or disk, or given damaged "
    head += "files. Made by `make drills`.\n"
    TABLE.write_text("\n".join([head, "| what must hold | cases | |", RULE, *rows.values()]) + "\n")
