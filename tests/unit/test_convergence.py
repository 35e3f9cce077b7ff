"""A run followed by step: it is the same run, asked with the weights that it had; and the page that shows it."""

import copy

import numpy as np
import pytest
import torch

from cadc import artifacts
from cadc.config.errors import InputError
from cadc.config.params import load_params
from cadc.evaluation.convergence import along, check_same, steps_at
from cadc.model.encode import EncodedRows
from cadc.model.load import fresh_model, load_processor, trainable
from cadc.report import by_step
from cadc.training.finetune import finetune


def test_points_are_at_equal_distances_and_the_last_is_the_end():
    assert steps_at(250) == [32, 63, 94, 125, 157, 188, 219, 250]
    assert steps_at(3) == [1, 2, 3] and steps_at(1) == [1]


def test_a_followed_run_is_that_run_and_is_asked_with_the_weights_of_each_point(pool):
    params = load_params()
    rows = EncodedRows(pool, load_processor(params.model), params.model.max_length)
    settings = params.finetune.model_copy(update={"batch_size": 4})
    schedule = np.arange(40)

    def weights(model):
        return {name: own.detach().float().clone() for name, own in trainable(model).items()}

    losses, asked = along(fresh_model(params, 0), rows, schedule, settings, params.model, 0, weights)
    alone, seen = fresh_model(params, 0), {}
    expected = finetune(
        alone,
        rows,
        schedule,
        settings,
        params.model,
        set(steps_at(10)),
        lambda step, optimizer, rate: seen.__setitem__(step, copy.deepcopy(weights(alone))),
        seed=0,
    )
    assert losses.tolist() == expected.tolist() and list(asked) == steps_at(10) == list(seen)
    for step, own in asked.items():
        assert all(torch.equal(value, seen[step][name]) for name, value in own.items()), step
    assert all(torch.equal(value, weights(alone)[name]) for name, value in asked[10].items())
    first, last = (torch.cat([value.flatten() for value in asked[step].values()]) for step in (steps_at(10)[0], 10))
    assert not torch.equal(first, last)


def test_losses_that_are_not_those_on_record_are_refused():
    made = np.array([2.0, 1.0], np.float32)
    check_same(made, np.array([9.0, 2.0, 1.0], np.float32), "arm")  # of two runs the last
    for other in ([2.0, 1.1], [1.0]):
        with pytest.raises(InputError, match="arm: its loss ends at 1.0000 when repeated"):
            check_same(made, np.array(other, np.float32), "arm")


def followed(score: float, n_seeds: int = 2) -> by_step.Followed:
    abilities = [{"mmt_val": {"counting": score * k, "ocr": 10.0}} for k in (1, 2)]
    scores = [np.full(n_seeds, score * k) + np.arange(n_seeds) for k in (1, 2)]
    return by_step.Followed(np.ones((n_seeds, 8), np.float32), [4, 8], scores, abilities)


def test_the_picture_has_a_panel_for_each_meta_task_and_the_same_bytes(tmp_path):
    made = {"a": followed(10.0), "b": followed(20.0, n_seeds=1)}
    for name in ("one", "two"):
        by_step.draw(tmp_path / f"{name}.png", made, 50.0, {"mmt_val": {"counting": 70.0}})
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_what_was_followed_is_read_back_and_what_was_not_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = artifacts.REPORTS / "convergence/mine/random"
    artifacts.save_array(folder / "loss.npy", np.ones((2, 8), np.float32))
    points = [
        {"step": step, "figures": [{"corrected_mean": step}, {"corrected_mean": step + 1}], "accuracies": {}}
        for step in (4, 8)
    ]
    artifacts.write_json(folder / "points.json", {"seeds": [0, 1], "points": points})
    run = by_step.load_followed("mine", "random")
    assert run.steps == [4, 8] and run.scores[1].tolist() == [8, 9] and run.losses.shape == (2, 8)
    with pytest.raises(InputError, match="dvc repro pipelines/mine/dvc.yaml:convergence@cadc"):
        by_step.load_followed("mine", "cadc")
