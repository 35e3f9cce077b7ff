"""Reports in reports/benchmarks: each names the commit of its figures, and the command that writes it."""

import importlib.util
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from documents import code_faults

FOLDER = Path(__file__).parents[2] / "benchmarks"
REPORTS = sorted(Path("reports/benchmarks").glob("*.md"))


@pytest.fixture
def commits():
    spec = importlib.util.spec_from_file_location("commits", FOLDER / "commits.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_line_names_the_current_commit_or_those_that_are_given(commits):
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=FOLDER, capture_output=True, text=True, check=True).stdout
    assert commits.measured_at() == f"Measured at commit {head[:8]}."
    assert commits.measured_at("0123abcd", "4567cdef", "0123abcd") == "Measured at commits 0123abcd, 4567cdef."


@pytest.mark.parametrize("report", REPORTS, ids=lambda path: path.stem)
def test_a_report_names_its_commit_and_the_command_that_writes_it(report):
    text = report.read_text()
    assert re.search(r"Measured at commits? [0-9a-f]{8}\b.*\.$", text, re.M)
    (command,) = re.findall(r"Made by `(python .*?)`", text)
    assert not code_faults(text, report)
    script = Path(shlex.split(command)[1]).read_text()
    assert f"--report {report}" in command or f'"{report}"' in script or f'"{report.name}"' in script
