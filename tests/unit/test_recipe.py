"""Recipes as published: dropout, no clipping, LLaVA's mean and batches, TF32."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from test_checkpoints import Mortal
from torch.nn import functional as F
from whole_connector import CONNECTOR, TEXT, bytes_of, llava, tensors

from cadc.artifacts import Selection
from cadc.config.errors import InputError
from cadc.config.params import Finetune, Lora
from cadc.gradients.per_sample import PerSampleGradients
from cadc.model.adapters import save_adapter
from cadc.model.batches import collate, model_inputs
from cadc.model.encode import EncodedRows
from cadc.model.load import load_base, trainable
from cadc.training.checkpoint import Checkpoint
from cadc.training.finetune import finetune
from cadc.training.grouping import grouped_schedule, word_counts
from cadc.training.proxy import proxy_run
from cadc.training.tuner import Tuner

CPU = torch.device("cpu")


def test_a_killed_run_with_dropout_ends_with_the_same_bytes(processor, model_params, pool, small, tmp_path):
    lora = Lora(rank=4, alpha=8, targets=TEXT, dropout=0.2, whole=CONNECTOR)
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
    with pytest.raises(InputError, match=r"finetune\.grouped: the method selects rows"):
        tuner.adaptive(0, staged, tmp_path / "plan.json", tmp_path / "a")


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


def test_float32_products_are_in_tf32_where_the_recipe_says_so(params):
    for on in (True, False):
        load_base(params.model.model_copy(update={"tf32": on}))
        assert torch.backends.cuda.matmul.allow_tf32 == on
