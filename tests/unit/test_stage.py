"""Errors of a stage, as its user reads them."""

from pathlib import Path

import pytest

from cadc.compute.stage import run_stage


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda: Path("nowhere/objects.jsonl").stat(), "nowhere/objects.jsonl"),
        (lambda: {"b25": 1.0}["b50"], "some: b50"),
        (lambda: float("much"), "some: could not convert string to float: 'much'"),
    ],
)
def test_a_fault_is_said_in_one_line_with_what_it_is_about(fault, said):
    with pytest.raises(SystemExit) as stopped:
        run_stage("some", lambda params: fault())
    assert said in str(stopped.value) and "\n" not in str(stopped.value)


def test_a_defect_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_stage("some", lambda params: 1 / 0)
