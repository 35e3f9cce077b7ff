"""Recipes as published: a connector trained whole at its own rate, dropout, no clipping, LLaVA's mean and batches, all
weights."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from architectures import FAMILIES
from pydantic import ValidationError
from test_adaptive import PLAN
from test_architectures import MODELS, by_loop, rows_of
from test_checkpoints import Mortal
from test_training import Listed, Watched
from torch.nn import functional as F

from cadc import artifacts
from cadc.artifacts import Selection
from cadc.config.errors import InputError
from cadc.config.params import Finetune, Lora
from cadc.gradients.adamw import Direction
from cadc.gradients.influence import SketchedDirections, row_influence
from cadc.gradients.per_sample import PerSampleGradients, answer_loss
from cadc.model.batches import collate, model_inputs
from cadc.model.encode import EncodedRows
from cadc.model.load import (
    add_lora,
    is_whole,
    load_adapter,
    load_base,
    load_processor,
    save_adapter,
    trainable,
    unfrozen,
)
from cadc.training.checkpoint import Checkpoint
from cadc.training.finetune import finetune
from cadc.training.grouping import grouped_schedule, word_counts
from cadc.training.proxy import proxy_run
from cadc.training.snapshots import load_snapshots, save_snapshot
from cadc.training.tuner import Tuner
from cadc.training.unlocking import UnlockedRows, tune
from cadc.world.bases import build_model

CPU = torch.device("cpu")
TEXT = r".*(language_model|text_model).*_proj"
#: Family of test_architectures.py -> its connector.
CONNECTORS = {
    "idefics3": r".*connector.*proj",
    "smolvlm": r".*connector.*proj",
    "qwen2_vl": r".*visual\.merger\.mlp\.[02]",
}
LLAVA = r".*multi_modal_projector\.linear_[12]"


def base(processor, dtype=torch.float32):
    torch.manual_seed(0)
    return build_model(processor, 32, 32, 2).to(dtype).requires_grad_(False).eval()


def llava(processor, dtype=torch.float32, seed=1, **lora):
    options = {"rank": 4, "alpha": 8, "targets": TEXT, "whole": LLAVA} | lora
    return add_lora(base(processor, dtype), Lora(**options), seed)


@pytest.fixture
def small(params):
    return params.finetune.model_copy(update={"batch_size": 4})


def tensors(model):
    return {name: parameter.detach().clone() for name, parameter in trainable(model).items()}


def bytes_of(folder):
    return [path.read_bytes() for path in sorted(folder.iterdir())]


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

    options = params.model.model_copy(update={"lora": Lora(rank=4, alpha=8, targets=TEXT, whole=LLAVA)})
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
        (r".*layers\.0\.mlp\.up_proj", "up_proj is named by model.lora.targets, too"),
    ):
        with pytest.raises(InputError, match=rf"model\.lora\.whole: .*{word}"):
            llava(processor, whole=whole)
    with pytest.raises(ValueError, match="no regular expression"):
        Lora(rank=1, alpha=1, targets="(")


def test_a_killed_run_with_dropout_ends_with_the_same_bytes(processor, model_params, pool, small, tmp_path):
    lora = Lora(rank=4, alpha=8, targets=TEXT, dropout=0.2, whole=LLAVA)
    options = model_params.model_copy(update={"lora": lora})
    settings = small.model_copy(update={"checkpoint_steps": 2, "micro_batch": 2, "whole_learning_rate": 1e-4})
    checkpoint = Checkpoint(tmp_path / "checkpoint")

    def run(name, lives, checkpoint=None, seed=5, drawn=0, **changed):
        model = llava(processor, dropout=0.2)
        torch.rand(drawn)  # what was drawn before is of no account
        rows = Mortal(pool, processor, 256, lives=lives)
        how = settings.model_copy(update=changed)
        losses = finetune(model, rows, np.arange(24), how, options, checkpoint=checkpoint, seed=seed)
        save_adapter(model, tmp_path / name)
        return losses.tobytes(), bytes_of(tmp_path / name)

    whole = run("whole", 24)
    with pytest.raises(KeyboardInterrupt):
        run("killed", 13, checkpoint)
    assert run("again", 16, checkpoint, drawn=99) == whole
    assert run("other seed", 24, seed=6) != whole and run("other split", 24, micro_batch=4) != whole


def test_dropout_is_for_training_alone(processor, pool, rows):
    which = [0, 1, 2, 3]
    with_dropout, without = (llava(processor, dropout=p) for p in (0.5, 0.0))
    for model in (with_dropout, without):
        with torch.no_grad():
            for name, parameter in trainable(model).items():
                parameter.copy_(torch.full_like(parameter, 0.01) if "lora_" in name else parameter)
    batch = collate([rows[i] for i in which], 0)
    made = []
    for model in (with_dropout, without):
        with PerSampleGradients(model) as gradients:
            made.append(gradients.dense(batch))
    assert torch.equal(made[0][0], made[1][0]) and torch.equal(made[0][1], made[1][1])
    inputs = model_inputs(batch, CPU, with_labels=False)
    assert not torch.equal(with_dropout.train()(**inputs).logits, with_dropout.eval()(**inputs).logits)


def test_without_clipping_a_long_gradient_stays_as_it_is(processor, pool, small, model_params):
    def learnt(longest):
        model = llava(processor)
        how = small.model_copy(update={"max_grad_norm": longest, "epsilon": 1.0})  # so that AdamW's step grows with it
        finetune(model, EncodedRows(pool, processor, 256), np.arange(8), how, model_params)
        return tensors(model)

    free, wide, tight = learnt(None), learnt(1e9), learnt(1e-3)
    assert all(torch.equal(free[name], wide[name]) for name in free)
    assert any(not torch.equal(free[name], tight[name]) for name in free)


def test_llava_s_mean_is_of_the_means_of_its_gpus(processor, pool, small, model_params):
    rows, model, order = EncodedRows(pool, processor, 256), llava(processor), np.arange(4)
    means = []
    for part in (order[:3], order[3:]):
        inputs = model_inputs(collate([rows[int(i)] for i in part], 0), CPU)
        labels = inputs.pop("labels")
        with torch.no_grad():
            logits = model(**inputs).logits[:, :-1]
        means.append(float(F.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)))
    losses = {
        kind: finetune(
            llava(processor), rows, order, small.model_copy(update={"loss_mean": kind, "micro_batch": 3}), model_params
        )[0]
        for kind in ("micro_batches", "tokens")
    }
    assert losses["micro_batches"] == pytest.approx(np.mean(means), rel=1e-4)
    assert abs(losses["tokens"] - np.mean(means)) > 1e-3
    with pytest.raises(ValidationError, match="set micro_batch, too"):
        Finetune.model_validate(small.model_dump() | {"loss_mean": "micro_batches"})


def test_a_grouped_schedule_passes_over_its_rows_in_batches_of_one_modality(pool, small):
    has_image = np.array([bool(images) for images in pool["images"].to_pylist()])
    rows = np.sort(np.concatenate([np.resize(np.flatnonzero(~has_image), 17), np.flatnonzero(has_image)[:83]]))
    how = small.model_copy(update={"batch_size": 8, "micro_batch": 4})
    order = grouped_schedule(pool, rows, 150, how, 3)
    assert sorted(order[:100].tolist()) == rows.tolist() and not np.array_equal(order[:50], order[100:])
    signs = np.sign(word_counts(pool, order[:96]).reshape(12, 8))
    assert (np.abs(signs.sum(1)) == 8).all() and {*signs.ravel().tolist()} == {-1, 1}
    np.testing.assert_array_equal(order, grouped_schedule(pool, rows, 150, how, 3))
    assert not np.array_equal(order, grouped_schedule(pool, rows, 150, how, 4))
    turns = pool["turns"][2].as_py()
    assert abs(word_counts(pool, np.array([2]))[0]) == sum(len(turn["text"].split()) for turn in turns)


def test_an_order_of_a_method_s_own_is_never_grouped(params, pool, processor, tmp_path):
    tuner = object.__new__(Tuner)
    tuner.params = params.model_copy(update={"finetune": params.finetune.model_copy(update={"grouped": True})})
    tuner.pool, tuner.processor, tuner.rows = pool, processor, EncodedRows(pool, processor, 256)
    staged = replace(Selection.of_rows(np.arange(6)), stage=np.array([0, 0, 0, 1, 1, 1], np.int32))
    with pytest.raises(InputError, match=r"finetune\.grouped: the selection has stages"):
        tuner.static(0, staged, tmp_path / "a")
    with pytest.raises(InputError, match=r"finetune\.grouped: the method chooses rows"):
        tuner.adaptive(0, staged, tmp_path / "plan.json", tmp_path / "a")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_all_weights_of_a_language_model_are_trained_saved_and_loaded(small, model_params, tmp_path, dtype):
    """Qwen2-VL: its tower stays as it is."""
    build, images = MODELS["qwen2_vl"]
    kind, how = (
        getattr(torch, dtype),
        small.model_copy(update={"learning_rate": 1e-3, "micro_batch": 2, "checkpoint_steps": 2}),
    )
    options = model_params.model_copy(update={"packing": False, "dtype": dtype, "gradient_checkpointing": True})
    rows, checkpoint = Listed(rows_of(images)), Checkpoint(tmp_path / "checkpoint")
    for row in rows:
        if "pixel_values" in row:
            row["pixel_values"] = row["pixel_values"].to(kind)

    def fresh():
        torch.manual_seed(0)
        return build()[0].to(kind).requires_grad_(False).eval()

    class BreaksOff(list):
        marks = (12,)

        def __getitem__(self, examples):
            if isinstance(examples, slice) and examples.start >= 12:
                raise KeyboardInterrupt
            return np.array(self)[examples]

    def run(name, schedule, checkpoint=None):
        model = unfrozen(fresh(), r".*language_model.*|lm_head.*")
        losses = finetune(model, rows, schedule, how, options, checkpoint=checkpoint)
        save_adapter(model, tmp_path / name)
        return model, losses.tobytes(), bytes_of(tmp_path / name)

    order = np.arange(20) % 5
    model, *whole = run("whole", order)
    with pytest.raises(KeyboardInterrupt):
        run("killed", BreaksOff(order.tolist()), checkpoint)
    assert run("again", order, checkpoint)[1:] == tuple(whole)
    before = dict(fresh().named_parameters())
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed and changed <= set(trainable(model)) and not any("visual" in name for name in changed)
    assert {p.dtype for p in model.parameters()} == {kind}
    loaded = load_adapter(fresh(), tmp_path / "whole")
    inputs = model_inputs(collate(list(rows), 0), CPU, with_labels=False)
    with torch.no_grad():
        assert torch.equal(model(**inputs).logits, loaded(**inputs).logits)
        assert not torch.equal(loaded(**inputs).logits, fresh()(**inputs).logits)
    with pytest.raises(InputError, match=r"is no weight of the model"):
        load_adapter(base_of_another(), tmp_path / "whole")
    with pytest.raises(InputError, match=r"finetune\.full: nothing matches no weight"):
        unfrozen(fresh(), "nothing")


def base_of_another():
    torch.manual_seed(0)
    return FAMILIES["llava"].build()[0]


def test_steps_too_small_for_bf16_add_up(small, model_params):
    """In bf16 itself a weight of 1 would not move by less than 1/256."""
    build, images = MODELS["qwen2_vl"]
    torch.manual_seed(0)
    model = unfrozen(build()[0].bfloat16().requires_grad_(False).eval(), r".*language_model\.norm\.weight")
    how = small.model_copy(update={"learning_rate": 5e-4, "warmup_share": 0.0, "epsilon": 1e-12})
    rows = Listed(rows_of([[]] * 5))
    options = model_params.model_copy(update={"packing": False, "dtype": "bfloat16"})
    finetune(model, rows, np.arange(120) % 5, how, options)
    (norm,) = trainable(model).values()
    assert norm.dtype == torch.bfloat16 and (norm != 1).float().mean() > 0.5 and images


def test_grouped_batches_and_all_weights_from_the_pool_to_a_folder(params, pool, tmp_path):
    """As stages/finetune.py has it, on the mini base."""
    how = params.finetune.model_copy(
        update={
            "grouped": True,
            "full": r".*language_model.*",
            "batch_size": 8,
            "micro_batch": 4,
            "epochs": {"b100": 1.0},
        }
    )
    params, selection = params.model_copy(update={"finetune": how}), Selection.of_rows(np.arange(30, 50))
    tuner = object.__new__(Tuner)
    tuner.params, tuner.pool, tuner.processor = params, pool, load_processor(params.model)
    tuner.rows = Watched(pool, tuner.processor, 256)
    tuner.static(3, selection, tmp_path / "a")
    assert tuner.rows.seen == grouped_schedule(pool, selection.row, 20, how, 3).tolist()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["loss.npy", "weights.safetensors"]
    base, tuned = load_base(params.model), load_adapter(load_base(params.model), tmp_path / "a")
    moved = {
        name for (name, p), q in zip(base.named_parameters(), tuned.parameters(), strict=True) if not torch.equal(p, q)
    }
    assert moved and all("language_model" in name for name in moved)


def test_a_proxy_run_takes_grouped_batches(params, pool, processor, tmp_path):
    proxy = params.proxy.model_copy(update={"grouped": True, "batch_size": 8, "pool_fraction": 0.1, "snapshots": 1})
    seen = []

    class WatchedPool:
        num_rows = pool.num_rows
        select = pool.select

        def slice(self, row, length):
            seen.append(row)
            return pool.slice(row, length)

    (tmp_path / "run").mkdir()
    proxy_run(tmp_path / "run", WatchedPool(), processor, params.model_copy(update={"proxy": proxy}), 1)
    rows = np.random.default_rng(1).permutation(pool.num_rows)[:24]
    assert seen == grouped_schedule(pool, rows, 24, proxy, 1).tolist() != rows.tolist()


def test_a_model_in_bf16_is_measured_while_its_connector_is_held_in_float32(
    pool, processor, small, model_params, tmp_path
):
    lora = Lora(rank=4, alpha=8, targets=TEXT, dropout=0.1, whole=LLAVA)
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


def test_float32_products_are_in_tf32_where_the_recipe_says_so(params):
    for on in (True, False):
        load_base(params.model.model_copy(update={"tf32": on}))
        assert torch.backends.cuda.matmul.allow_tf32 == on
