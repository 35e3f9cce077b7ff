"""Self-Filter's score-net: rows whose loss stays high become difficult, and what cannot be told apart stays alike."""

import copy

import numpy as np
import pytest
import torch

from cadc.config.params import Optimizer
from cadc.features.score_net import train_score_net
from cadc.gradients.per_sample import answer_loss
from cadc.model.batches import collate, model_inputs
from cadc.model.encode import EncodedRows


@pytest.fixture
def settings():
    shape = dict(batch_size=8, micro_batch=None, checkpoint_steps=None)
    return Optimizer(
        learning_rate=1e-3,
        **shape,
        warmup_share=0.0,
        weight_decay=0.0,
        beta1=0.9,
        beta2=0.999,
        epsilon=1e-8,
        max_grad_norm=1.0,
    )


def test_rows_of_high_loss_become_difficult(lora_model, rows, pool, settings, model_params):
    long_answer = np.array([len(record["turns"][-1]["text"].split()) > 4 for record in pool.to_pylist()])
    assert 5 < long_answer.sum() < len(long_answer) - 5
    features = np.where(long_answer[:, None], [[1.0, 0.0]], [[0.0, 1.0]]).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(long_answer))
    untrained = copy.deepcopy(lora_model)
    difficulty = train_score_net(lora_model, rows, features, order, settings, model_params, 0.05)
    assert difficulty.shape == (len(long_answer),) and difficulty.dtype == np.float32
    of_long, of_short = set(difficulty[long_answer].tolist()), set(difficulty[~long_answer].tolist())
    assert len(of_long) == len(of_short) == 1  # equal features, equal difficulty
    with torch.inference_mode():  # what the model made of them before it learnt anything
        batch = collate([rows[i] for i in range(len(long_answer))], 0)
        inputs = model_inputs(batch, torch.device("cpu"))
        labels = inputs.pop("labels")
        losses = answer_loss(untrained(**inputs).logits, labels).numpy()
    of_longer_loss = of_long if losses[long_answer].mean() > losses[~long_answer].mean() else of_short
    assert of_longer_loss == {difficulty.max()}


def test_without_features_no_row_is_more_difficult(lora_model, rows, pool, settings, model_params):
    difficulty = train_score_net(
        lora_model, rows, np.zeros((pool.num_rows, 3), np.float32), np.arange(32), settings, model_params, 0.05
    )
    assert np.ptp(difficulty) == 0


def test_loaders_change_no_byte(lora_model, pool, processor, settings, model_params, monkeypatch):
    features = np.random.default_rng(0).standard_normal((pool.num_rows, 3)).astype(np.float32)
    how = settings.model_copy(update={"micro_batch": 3})

    def difficulty():
        rows = EncodedRows(pool, processor, 256, keep=False)
        return train_score_net(copy.deepcopy(lora_model), rows, features, np.arange(20), how, model_params, 0.05)

    alone = difficulty()
    monkeypatch.setenv("CADC_LOADERS", "2")
    np.testing.assert_array_equal(difficulty(), alone)


def test_neither_parts_of_a_batch_nor_checkpointing_change_what_is_learnt(
    lora_model, rows, pool, settings, model_params
):
    features = np.random.default_rng(0).standard_normal((pool.num_rows, 3)).astype(np.float32)

    def difficulty(micro_batch, checkpointing):
        how, params = (
            settings.model_copy(update={"micro_batch": micro_batch}),
            model_params.model_copy(update={"gradient_checkpointing": checkpointing}),
        )
        found = train_score_net(copy.deepcopy(lora_model), rows, features, np.arange(32), how, params, 0.05)
        return found - found.mean()  # the net's bias is of no account to a softmax: its gradient is rounding

    whole = difficulty(None, False)
    assert np.ptp(whole) > 0
    for micro_batch, checkpointing in ((8, False), (3, False), (3, True)):
        np.testing.assert_allclose(difficulty(micro_batch, checkpointing), whole, rtol=1e-3, atol=1e-5)
