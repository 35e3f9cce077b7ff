"""Training: rows in the order given, the same bytes twice, an error that names the row, micro-batches, schedules."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_architectures import MODELS, rows_of, tuned

from cadc.artifacts import Selection
from cadc.config.errors import InputError
from cadc.model.adapters import load_adapter, save_adapter
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, trainable
from cadc.training.finetune import finetune
from cadc.training.schedule import epochs_for, static_schedule
from cadc.world.bases import build_model


class Watched(EncodedRows):
    """Encoded rows that remember in which order they were asked for."""

    def __init__(self, *args):
        super().__init__(*args)
        self.seen = []

    def __getitem__(self, row):
        self.seen.append(row)
        return super().__getitem__(row)


def fresh_lora(tiny_model, model_params, seed=0):
    return add_lora(tiny_model, model_params.lora, seed)


def small_lora(processor, model_params):
    torch.manual_seed(0)
    return fresh_lora(build_model(processor, 32, 32, 2).requires_grad_(False).eval(), model_params, 1)


def test_rows_are_trained_on_in_the_order_given(
    tiny_model, model_params, processor, pool, small, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    rows, order = Watched(pool, processor, 256), np.array([5, 3, 3, 60, 1, 0, 7, 9, 2, 4])
    losses = finetune(fresh_lora(tiny_model, model_params), rows, order, small, model_params)
    assert rows.seen == order.tolist() and len(losses) == 3


def test_two_runs_give_the_same_bytes(processor, model_params, pool, small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def adapter(name, seed):
        torch.manual_seed(0)
        model = add_lora(build_model(processor, 32, 32, 2).requires_grad_(False).eval(), model_params.lora, seed)
        finetune(model, EncodedRows(pool, processor, 256), np.arange(24), small, model_params)
        save_adapter(model, tmp_path / name)
        return {p.name: p.read_bytes() for p in sorted((tmp_path / name).iterdir())}

    assert adapter("a", 3) == adapter("b", 3) != adapter("c", 4)


def test_a_loss_that_is_not_finite_names_step_and_rows(
    tiny_model, model_params, processor, pool, small, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    model, rows = fresh_lora(tiny_model, model_params), EncodedRows(pool, processor, 256)
    poisoned = next(i for i in range(4, 8) if pool["images"][i].as_py())
    rows[poisoned]["pixel_values"].fill_(float("nan"))
    with pytest.raises(InputError, match="step 2") as error:
        finetune(model, rows, np.arange(12), small, model_params)
    assert pool["id"][poisoned].as_py() in str(error.value)


class Listed(list):
    """Rows that are encoded already, of other models."""

    processor = SimpleNamespace(tokenizer=SimpleNamespace(pad_token_id=0))


def learnt(model, rows, order, settings, model_params):
    losses = finetune(model, rows, order, settings, model_params)
    return losses, {name: p.detach().clone() for name, p in trainable(model).items()}


def assert_learnt_alike(one, other):
    np.testing.assert_allclose(other[0], one[0], rtol=1e-5)
    for name in one[1]:
        torch.testing.assert_close(other[1][name], one[1][name], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("packing", [True, False])
def test_micro_batches_learn_what_the_whole_batch_does(processor, model_params, pool, small, packing):
    """A mean of means would weigh a row with a long answer as one with a short one.

    And rows without any answer count nothing.
    """
    settings, options = (
        small.model_copy(update={"batch_size": 7, "epsilon": 1e-4}),
        model_params.model_copy(update={"packing": packing}),
    )
    rows = EncodedRows(pool, processor, 256)
    for row in (3, 4, 5):
        rows[row]["labels"].fill_(-100)
    made = [
        learnt(
            small_lora(processor, model_params),
            rows,
            np.arange(24),
            settings.model_copy(update={"micro_batch": m}),
            options,
        )
        for m in (None, 1, 3)
    ]
    for split in made[1:]:
        assert_learnt_alike(made[0], split)


@pytest.mark.parametrize("name", ["idefics3", "qwen2_vl"])
def test_micro_batches_of_other_architectures(name, model_params, small):
    """Some of these have no images, so that parts of the model have no gradient there."""
    build, images = MODELS[name]
    settings, options = (
        small.model_copy(update={"batch_size": 5, "epsilon": 1e-4}),
        model_params.model_copy(update={"packing": False}),
    )
    made = [
        learnt(
            tuned(build),
            Listed(rows_of(images)),
            np.arange(10) % 5,
            settings.model_copy(update={"micro_batch": m}),
            options,
        )
        for m in (None, 2)
    ]
    assert_learnt_alike(*made)


def test_gradient_checkpointing_computes_activations_again_and_learns_the_same(processor, model_params, pool, small):
    made, passes = [], []
    for on in (False, True):
        model, count = small_lora(processor, model_params), []
        model.get_base_model().get_decoder().layers[0].mlp.register_forward_pre_hook(
            lambda *_, count=count: count.append(1)
        )
        made.append(
            learnt(
                model,
                EncodedRows(pool, processor, 256),
                np.arange(12),
                small,
                model_params.model_copy(update={"gradient_checkpointing": on}),
            )
        )
        passes.append(len(count))
    assert passes == [3, 6]
    np.testing.assert_array_equal(made[0][0], made[1][0])
    assert all(torch.equal(made[0][1][name], made[1][1][name]) for name in made[0][1])


def test_in_bf16_the_adapter_and_its_moments_stay_fp32(processor, model_params, pool, small):
    torch.manual_seed(0)
    model = add_lora(build_model(processor, 32, 32, 2).bfloat16().requires_grad_(False).eval(), model_params.lora, 1)
    moments, options = [], model_params.model_copy(update={"dtype": "bfloat16", "gradient_checkpointing": True})

    def take(step, optimizer, lr):
        moments.extend(state["exp_avg"].dtype for state in optimizer.state.values())

    losses = finetune(
        model,
        EncodedRows(pool, processor, 256),
        np.arange(24),
        small.model_copy(update={"micro_batch": 2}),
        options,
        {6},
        take,
    )
    exact = finetune(
        small_lora(processor, model_params), EncodedRows(pool, processor, 256), np.arange(24), small, model_params
    )
    assert {p.dtype for p in trainable(model).values()} == set(moments) == {torch.float32}
    assert {p.dtype for p in model.parameters() if not p.requires_grad} == {torch.bfloat16}
    np.testing.assert_allclose(losses, exact, rtol=0.02)


def test_a_saved_adapter_answers_as_the_trained_model(processor, tiny_model, model_params, tmp_path):
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


def test_loaders_change_no_byte_of_training(processor, model_params, pool, small, monkeypatch):
    def losses():
        rows = EncodedRows(pool, processor, 256, keep=False)
        return finetune(small_lora(processor, model_params), rows, np.arange(24) % 9, small, model_params)

    alone = losses()
    monkeypatch.setenv("CADC_LOADERS", "2")
    np.testing.assert_array_equal(losses(), alone)
