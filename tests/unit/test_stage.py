"""Errors of a stage, as its user reads them, and what it leaves on record."""

import errno
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

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


def test_a_refused_experiment_says_how_to_be_rid_of_what_it_set(tmp_path, monkeypatch):
    """`dvc exp run -S` leaves params.yaml changed."""
    (tmp_path / "params.yaml").write_text(Path("params.yaml").read_text().replace("budget: 0.05", "budget: 5", 1))
    monkeypatch.chdir(tmp_path)
    for experiment in (False, True):
        monkeypatch.setenv("DVC_EXP_BASELINE_REV", "abc") if experiment else None
        with pytest.raises(SystemExit, match="budget = 5") as stopped:
            run_stage("some", lambda params: None)
        assert ("`git restore params.yaml` restores it" in str(stopped.value)) == experiment


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x/y.npy"), "the disk is full (x/y.npy); finished parts"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk quota is used up; finished parts"),
        (SafetensorError("I/O error: No space left on device (os error 28)"), "the disk is full; finished parts"),
        (OSError(errno.EROFS, "Read-only file system", "x"), "x: its file system is read-only; fix that"),
    ],
)
def test_a_disk_that_takes_no_more_is_one_line(error, said):
    def work(params):
        raise error

    with pytest.raises(SystemExit) as stopped:
        run_stage("some", work)
    assert str(stopped.value).startswith(f"some: {said}") and "\n" not in str(stopped.value)
