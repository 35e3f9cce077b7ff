"""Errors of a stage, as its user reads them, and what it leaves on record."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cadc import artifacts
from cadc.compute.stage import run_stage
from cadc.config.arms import Variant
from cadc.config.errors import InputError


def refuse(params):
    raise InputError("pool.json, row 7: no answer; add one")


def test_a_fault_of_what_a_person_gave_is_one_line_under_the_stage_s_name():
    for variant, name in ((None, "some"), (Variant("arms", "random"), "some@random")):
        with pytest.raises(SystemExit) as stopped:
            run_stage("some", refuse, variant)
        assert str(stopped.value) == f"{name}: pool.json, row 7: no answer; add one"
        assert stopped.value.__suppress_context__


def test_with_debug_it_keeps_its_traceback_too(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["stage.py", "--debug"])
    with pytest.raises(SystemExit) as stopped:
        run_stage("some", refuse)
    assert isinstance(stopped.value.__cause__, InputError)


@pytest.mark.parametrize(
    ("stage", "lower"),
    [
        ("attribute", "capture.batch_tokens"),
        ("proxy", "proxy.micro_batch"),
        ("finetune", "finetune.micro_batch"),
        ("score", "evaluate.batch_size"),
        ("facts", "CADC_WORKERS"),
    ],
)
def test_memory_that_runs_out_is_one_line_that_names_what_to_lower(stage, lower):
    def on_gpu(params):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has\n a paragraph more")

    for work in (on_gpu, lambda params: torch.empty(1 << 60), lambda params: np.empty(1 << 50)):
        with pytest.raises(SystemExit) as stopped:
            run_stage(stage, work)
        said = str(stopped.value)
        assert said.startswith(f"{stage}: the ") and "out of memory (" in said and f"lower {lower}" in said
        assert "\n" not in said and stopped.value.__suppress_context__


@pytest.mark.parametrize("defect", [lambda: 1 / 0, lambda: {}["b50"], lambda: float("much"), Path("nowhere").stat])
def test_a_defect_keeps_its_traceback(defect):
    with pytest.raises((ArithmeticError, LookupError, ValueError, OSError)) as raised:
        run_stage("some", lambda params: defect())
    assert not isinstance(raised.value, InputError)


def test_a_variant_s_stage_gets_its_parameters_and_its_cost_is_on_record(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "COSTS", tmp_path)
    seen = []
    run_stage("some", lambda params: seen.append(params.arm.method) or 12, Variant("arms", "cadc"))
    cost = artifacts.read_json(tmp_path / "some@cadc.json")
    assert seen == ["cadc"] and cost["rows"] == 12 and cost["peak_memory_mb"] > 0
