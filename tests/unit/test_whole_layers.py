"""A connector trained whole: its gradients, its rate, what is saved, and what is refused."""

import copy

import numpy as np
import pytest
import torch
from test_adaptive import PLAN
from test_architectures import MODELS, by_loop, rows_of
from whole_connector import CONNECTOR, TEXT, base, llava, tensors

from cadc import artifacts
from cadc.config.errors import InputError
from cadc.config.params import Lora
from cadc.gradients.adamw import Direction
from cadc.gradients.influence import SketchedDirections, row_influence
from cadc.gradients.per_sample import PerSampleGradients, answer_loss
from cadc.model.adapters import load_adapter, save_adapter
from cadc.model.batches import collate, model_inputs
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, is_whole, trainable
from cadc.training.finetune import finetune
from cadc.training.snapshots import load_snapshots, save_snapshot
from cadc.training.unlocking import UnlockedRows, tune

CPU = torch.device("cpu")
#: Family of test_architectures.py -> its connector.
CONNECTORS = {
    "idefics3": r".*connector.*proj",
    "smolvlm": r".*connector.*proj",
    "qwen2_vl": r".*visual\.merger\.mlp\.[02]",
}


@pytest.mark.parametrize("name", CONNECTORS)
def test_a_row_s_gradient_of_a_connector_trained_whole_is_autograd_s(name):
    build, images = MODELS[name]
    torch.manual_seed(0)
    model = add_lora(
        build()[0].requires_grad_(False).eval(), Lora(rank=2, alpha=4, targets=TEXT, whole=CONNECTORS[name]), 1
    )
    rows, whole = rows_of(images), [name for name in trainable(model) if is_whole(name)]
    assert whole and (name != "qwen2_vl" or sum(name.endswith(".bias") for name in whole) == 2)
    expected = by_loop(model, rows)
    with PerSampleGradients(model) as gradients:
        made, _ = gradients.dense(collate(rows, 0))
    assert ((made - expected).norm(dim=1) / expected.norm(dim=1)).max() < 1e-5
    at = dict(zip(gradients.names, np.cumsum([0, *gradients.sizes]).tolist(), strict=False))
    for part, size in zip(gradients.names, gradients.sizes, strict=True):
        if is_whole(part):
            reached = made[:, at[part] : at[part] + size].abs().sum(1) > 0
            assert reached.tolist() == [bool(row) for row in images], part
    assert all(parameter.requires_grad for parameter in trainable(model).values())


def tuned_with_snapshot(processor, pool, small, params, folder, **settings):
    """A LLaVA after five steps, its optimizer, and the snapshot taken behind the fourth."""
    model, kept = llava(processor), {}
    how = small.model_copy(update={"whole_learning_rate": 1e-4, "max_grad_norm": None, "weight_decay": 0.0} | settings)

    def take(step, optimizer, lr):
        entry = save_snapshot(folder, 0, step, lr, model, optimizer)
        artifacts.write_json(folder / "snapshots.json", [entry])
        kept.update(optimizer=copy.deepcopy(optimizer.state_dict()), weights=tensors(model))

    options = params.model.model_copy(update={"lora": Lora(rank=4, alpha=8, targets=TEXT, whole=CONNECTOR)})
    finetune(model, EncodedRows(pool, processor, 256), np.arange(20), how, options, {4}, take)
    return model, kept, load_snapshots(folder)[0]


@pytest.mark.parametrize("sketch", ["count", "dense"])
def test_the_direction_is_the_step_that_adamw_takes_with_two_rates(processor, pool, small, params, tmp_path, sketch):
    model, kept, snapshot = tuned_with_snapshot(processor, pool, small, params, tmp_path)
    assert snapshot.whole_rate == pytest.approx(1e-4 / small.learning_rate)
    row = next(i for i in range(20) if pool["images"][i].as_py())
    rows, names = EncodedRows(pool, processor, 256), list(trainable(model))
    with torch.no_grad():
        for name, parameter in trainable(model).items():
            parameter.copy_(kept["weights"][name])
    groups = [[p for name, p in trainable(model).items() if is_whole(name) == whole] for whole in (False, True)]
    optimizer = torch.optim.AdamW([{"params": group} for group in groups])
    optimizer.load_state_dict(kept["optimizer"])  # rates, moments and all, as the run had them
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([snapshot.lr, snapshot.lr / 15])
    inputs = model_inputs(collate([rows[row]], 0), CPU)
    labels = inputs.pop("labels")
    answer_loss(model(**inputs).logits, labels).sum().backward()
    optimizer.step()
    step = {name: (kept["weights"][name] - p.detach()).flatten() for name, p in trainable(model).items()}
    with torch.no_grad():
        for name, parameter in trainable(model).items():
            parameter.copy_(kept["weights"][name])
    if sketch == "dense":
        with PerSampleGradients(model) as gradients:
            made, _ = gradients.dense(collate([rows[row]], 0))
        parts = made.split(gradients.sizes, 1)
        direction = Direction(snapshot, "adamw", CPU)
        for name, gradient in zip(names, parts, strict=True):
            torch.testing.assert_close(snapshot.lr * direction(name, gradient)[0], step[name], rtol=2e-3, atol=1e-7)
    else:
        engine = SketchedDirections(model, params.capture.model_copy(update={"projection": 4096}), 0)
        expected = engine.sketch.zeros(1)
        for name in names:
            engine.sketch.add(name, step[name][None] / snapshot.lr, expected)
        made = row_influence(engine, rows, np.array([row]), [snapshot], expected[None].numpy())
        norm = float(expected.norm())
        assert made["norm"][0, 0] == pytest.approx(norm, rel=1e-3)
        assert made["influence"][0, 0, 0] == pytest.approx(norm**2, rel=1e-3)


def test_self_influence_weighs_each_parameter_by_its_rate(processor, pool, small, params, tmp_path):
    model, _, snapshot = tuned_with_snapshot(processor, pool, small, params, tmp_path)
    rows, which = EncodedRows(pool, processor, 256), np.arange(4)
    engine = SketchedDirections(model, params.capture.model_copy(update={"projection": 64}), 0)
    made = row_influence(engine, rows, which, [snapshot], np.ones((1, 1, 64), np.float32))["self_influence"][0]
    with PerSampleGradients(model) as gradients:
        dense, _ = gradients.dense(collate([rows[int(row)] for row in which], 0))
    squares = [part.square().sum(1) for part in dense.split(gradients.sizes, 1)]
    expected = sum(
        snapshot.lr * (1 / 15 if is_whole(name) else 1) * square
        for name, square in zip(gradients.names, squares, strict=True)
    )
    np.testing.assert_allclose(made, expected.numpy(), rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_connector_learns_at_its_own_rate_and_is_saved_with_the_adapter(
    processor, pool, small, model_params, tmp_path, dtype
):
    kind, options = getattr(torch, dtype), model_params.model_copy(update={"dtype": dtype})
    model = llava(processor, kind)
    before, rows, order = tensors(model), EncodedRows(pool, processor, 256), np.arange(16)
    start = copy.deepcopy(model)
    moved = {}
    for rate in (None, 1e-5):
        tuned = copy.deepcopy(start)
        finetune(tuned, rows, order, small.model_copy(update={"whole_learning_rate": rate}), options)
        after = tensors(tuned)
        moved[rate] = max(float((after[n] - before[n]).abs().max()) for n in before if is_whole(n))
        assert {p.dtype for n, p in trainable(tuned).items() if is_whole(n)} == {kind}
    assert moved[None] > 10 * moved[1e-5] and (dtype == "bfloat16" or moved[1e-5] > 0)
    finetune(model, rows, order, small, options)
    save_adapter(model, tmp_path / "a")
    again = load_adapter(base(processor, kind), tmp_path / "a")
    inputs = model_inputs(collate([rows[i] for i in range(6)], 0), CPU, with_labels=False)
    if "pixel_values" in inputs:
        inputs["pixel_values"] = inputs["pixel_values"].to(kind)
    with torch.no_grad():
        untuned = start(**inputs).logits
        assert all(torch.equal(p, trainable(again)[name]) for name, p in trainable(model).items())
        torch.testing.assert_close(again(**inputs).logits, model(**inputs).logits, rtol=0, atol=1e-6)
        assert (model(**inputs).logits - untuned).abs().max() > 1e-3
    merged = again.merge_and_unload()  # as answers are generated
    connector = dict(merged.named_parameters())["model.multi_modal_projector.linear_1.weight"]
    assert torch.equal(connector, next(p for n, p in trainable(model).items() if "linear_1.modules" in n and "w" in n))


def test_what_can_not_be_trained_whole_is_named(processor):
    for whole, word in (
        (r".*nothing", "matches no linear layer"),
        (r".*language_model.*(o_proj|norm)", "is a LlamaRMSNorm"),
        (r".*layers\.0\.mlp\.up_proj", "up_proj also matches model.lora.targets"),
    ):
        with pytest.raises(InputError, match=rf"model\.lora\.whole: .*{word}"):
            llava(processor, whole=whole)
    with pytest.raises(ValueError, match="not a regular expression"):
        Lora(rank=1, alpha=1, targets="(")


def test_a_model_in_bf16_is_measured_while_its_connector_is_held_in_float32(
    pool, processor, small, model_params, tmp_path
):
    lora = Lora(rank=4, alpha=8, targets=TEXT, dropout=0.1, whole=CONNECTOR)
    options = model_params.model_copy(update={"dtype": "bfloat16", "lora": lora})
    made = tune(
        lambda: add_lora(base(processor, torch.bfloat16), lora, 1),
        UnlockedRows(pool, processor, 256),
        PLAN.model_copy(update={"objective": "loss", "gap": 0.5}),
        np.arange(pool.num_rows) % 3,
        np.arange(8),
        16,
        16,
        0,
        small,
        options,
        tmp_path / "checkpoint",
    )
    assert np.isfinite(made.losses).all() and np.isfinite(made.history[-1, :, 0]).any()
