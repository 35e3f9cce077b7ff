"""Training: rows in the order given, the same bytes twice, an error that names the row, snapshots that restore."""

import numpy as np
import pytest
import torch

from cadc.artifacts import Selection, write_json
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_adapter, save_adapter, trainable
from cadc.training.finetune import finetune
from cadc.training.schedule import epochs_for, static_schedule
from cadc.training.snapshots import load_snapshots, restore, save_snapshot, snapshot_steps


class Watched(EncodedRows):
    """Encoded rows that remember in which order they were asked for."""

    def __init__(self, *args):
        super().__init__(*args)
        self.seen = []

    def __getitem__(self, row):
        self.seen.append(row)
        return super().__getitem__(row)


@pytest.fixture
def small(params):
    return params.finetune.model_copy(update={"batch_size": 4})


def fresh_lora(tiny_model, model_params, seed=0):
    return add_lora(tiny_model, model_params.lora, seed)


def test_rows_are_trained_on_in_the_order_given(tiny_model, model_params, processor, pool, small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows, order = Watched(pool, processor, 256), np.array([5, 3, 3, 60, 1, 0, 7, 9, 2, 4])
    losses = finetune(fresh_lora(tiny_model, model_params), rows, order, small, model_params)
    assert rows.seen == order.tolist() and len(losses) == 3


def test_two_runs_give_the_same_bytes(processor, model_params, pool, small, tmp_path, monkeypatch):
    from cadc.model.mini import build_model

    monkeypatch.chdir(tmp_path)

    def adapter(name, seed):
        torch.manual_seed(0)
        model = add_lora(build_model(processor, 32, 32, 2).requires_grad_(False).eval(), model_params.lora, seed)
        finetune(model, EncodedRows(pool, processor, 256), np.arange(24), small, model_params)
        save_adapter(model, tmp_path / name)
        return {p.name: p.read_bytes() for p in sorted((tmp_path / name).iterdir())}

    assert adapter("a", 3) == adapter("b", 3) != adapter("c", 4)


def test_a_loss_that_is_not_finite_names_step_and_rows(tiny_model, model_params, processor, pool, small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, rows = fresh_lora(tiny_model, model_params), EncodedRows(pool, processor, 256)
    poisoned = next(i for i in range(4, 8) if pool["images"][i].as_py())
    rows[poisoned]["pixel_values"].fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="step 2") as error:
        finetune(model, rows, np.arange(12), small, model_params)
    assert pool["id"][poisoned].as_py() in str(error.value)


def test_snapshots_hold_weights_and_adamw_state(tiny_model, model_params, processor, pool, small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, entries, seen = fresh_lora(tiny_model, model_params), [], {}

    def take(step, optimizer, lr):
        entries.append(save_snapshot(tmp_path / "proxy", len(entries), step, lr, model, optimizer))
        seen[step] = {name: p.detach().clone() for name, p in trainable(model).items()}

    finetune(model, EncodedRows(pool, processor, 256), np.arange(32), small, model_params, {2, 5}, take)
    write_json(tmp_path / "proxy" / "snapshots.json", entries)
    first, second = load_snapshots(tmp_path / "proxy")
    assert (first.step, second.step) == (2, 5) and first.lr > second.lr > 0
    assert all(torch.equal(first.weights[name], seen[2][name]) for name in seen[2])
    assert all((v >= 0).all() for v in first.exp_avg_sq.values()) and any(v.abs().max() > 0 for v in first.exp_avg.values())
    restore(model, first)
    assert all(torch.equal(p, seen[2][name]) for name, p in trainable(model).items())
    with pytest.raises(KeyError, match="disagree"):
        restore(model, type(first)(**{**vars(first), "weights": {"other": torch.zeros(1)}}))


def test_snapshot_steps_avoid_both_ends():
    assert snapshot_steps(100, 4) == [12, 38, 62, 88]
    with pytest.raises(ValueError, match="too few"):
        snapshot_steps(3, 4)


def test_a_saved_adapter_answers_as_the_trained_model(processor, tiny_model, model_params, tmp_path):
    from cadc.model.mini import build_model

    model = fresh_lora(tiny_model, model_params)
    with torch.no_grad():
        for p in trainable(model).values():
            p.add_(0.1)
    save_adapter(model, tmp_path / "a")
    torch.manual_seed(0)
    again = load_adapter(build_model(processor, 32, 32, 2).eval(), tmp_path / "a")
    ids = torch.arange(6, 30)[None]
    assert torch.equal(model.eval()(input_ids=ids).logits, again(input_ids=ids).logits)


def test_one_stage_is_plain_epochs_and_stages_keep_their_share():
    plain = Selection.of_rows(np.array([4, 2, 9]))
    assert static_schedule(plain, 7).tolist() == [4, 2, 9, 4, 2, 9, 4]
    staged = Selection(np.array([1, 2, 3, 4, 1]), np.ones(5), np.zeros(5, int), np.array([0, 0, 1, 1, 1]))
    assert static_schedule(staged, 10).tolist() == [1, 2, 1, 2, 3, 4, 1, 3, 4, 1]
    assert static_schedule(staged, 2).tolist() == [1, 2, 3, 4, 1]  # never fewer than every row once


def test_epochs_follow_the_plan_between_its_sizes():
    plan = {"b01": 16.0, "b100": 1.0}
    assert epochs_for(0.1, plan) == pytest.approx(4.0)
    assert epochs_for(0.001, plan) == pytest.approx(16.0) and epochs_for(1.0, plan) == pytest.approx(1.0)
