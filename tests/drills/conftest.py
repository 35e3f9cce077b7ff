"""What the drills need, and the table of what came of them: reports/drills.md, which `make drills` writes."""

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
_came: dict[str, list[str]] = {}  # what must hold -> what came of each case


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
    """A miniature whose root pipeline was left alone."""
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
    """Only where drills were asked for: `make test` runs the quick ones alone. The rows of others stay: `make drills`
    runs them in two parts, and removes the table first."""
    if not _came or session.config.option.markexpr != "drill or not drill":
        return
    rows = {said: f"| {said} | {len(came)} | {', '.join(dict.fromkeys(came))} |" for said, came in _came.items()}
    if TABLE.exists():
        lines = TABLE.read_text().splitlines()
        rows = {line.split(" | ")[0].removeprefix("| "): line for line in lines[lines.index(RULE) + 1 :]} | rows
    head = "# Drills\n\nWhat must hold where a run is killed, doubled, starved or damaged. Made by `make drills`.\n"
    TABLE.write_text("\n".join([head, "| what must hold | cases | |", RULE, *rows.values()]) + "\n")
