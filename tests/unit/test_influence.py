"""Influence: products of sketched rows with subtask means, whatever the batches and threads."""

import numpy as np
import torch
from test_gradients import CPU, by_loop, mixed_rows, snapshot

from cadc.config.params import Capture, Match
from cadc.gradients.adamw import Direction
from cadc.gradients.influence import SketchedDirections, row_gram, row_influence, subtask_trajectories
from cadc.gradients.matching import row_matching
from cadc.model.encode import EncodedRows
from cadc.model.load import trainable
from cadc.training.snapshots import restore


def engine_of(model, **changes):
    """What is captured with AdamW's directions and a count sketch, whole rows kept."""
    settings = dict(targets=["mmt_val"], update="adamw", sketch="count", projection_seed=0, shard_rows=10)
    return SketchedDirections(model, Capture(**settings, **{"keep_sketches": True} | changes), 0)


def test_a_row_s_sketch_depends_neither_on_batches_nor_on_threads(lora_model, rows, pool):
    state = snapshot(trainable(lora_model))
    for weight in state.weights.values():
        weight.mul_(0.2)

    which = np.array(mixed_rows(pool))

    def sketches(batch_tokens: int, threads: int) -> torch.Tensor:
        engine = engine_of(lora_model, projection=128, batch_tokens=batch_tokens)
        torch.set_num_threads(threads)
        try:
            made = row_influence(engine, rows, which, [state], np.zeros((1, 1, 128), np.float32))
        finally:
            torch.set_num_threads(1)
        return torch.from_numpy(made["sketches"][0])

    made = sketches(4000, 1)
    for other in (sketches(1, 1), sketches(200, 1), sketches(4000, 2)):
        assert ((made - other).norm(dim=1) / made.norm(dim=1)).max() < 1e-4


def test_influence_is_the_product_with_subtask_means_in_pool_order(lora_model, rows, pool):
    parameters = trainable(lora_model)
    states = [snapshot(parameters, seed=s) for s in (1, 2)]
    for state in states:
        for name in state.weights:
            state.weights[name].mul_(0.2)
    engine = engine_of(lora_model, projection=0, batch_tokens=150)
    subtask = np.array([0, 1, 1, 0, 2, 2, 2])
    probe = EncodedRows(pool.slice(0, 7), rows.processor, 256)
    targets = subtask_trajectories(engine, probe, subtask, 3, states)
    trajectories, products = targets["trajectories"], targets["row_gram"]
    np.testing.assert_array_equal(row_gram(engine, probe, 7, states), products)  # what is captured of further runs
    which = np.array([9, 30, 4, 17, 50])
    made = row_influence(engine, rows, which, states, trajectories)
    matched = row_matching(
        engine, rows, which, states, targets, Match(update="adamw", keep_width=engine.sketch.width, keep_snapshot=1)
    )
    for t, state in enumerate(states):
        restore(lora_model, state)
        per_parameter, sizes = Direction(state, "adamw", CPU), [p.numel() for p in parameters.values()]

        def direction(dense, per_parameter=per_parameter, sizes=sizes):
            return torch.cat(
                [per_parameter(name, part) for name, part in zip(parameters, dense.split(sizes, 1), strict=True)], 1
            )

        raw = by_loop(lora_model, rows, which, 0)
        probe_raw = by_loop(lora_model, rows, range(7), 0)
        rows_g, probe_g = direction(raw.clone()), direction(probe_raw.clone())
        means = torch.stack([probe_g[subtask == s].mean(0) for s in range(3)])
        np.testing.assert_allclose(
            products[t], (probe_g @ probe_g.T).numpy(), rtol=2e-3, atol=1e-3 * float(probe_g.square().sum(1).mean())
        )
        np.testing.assert_allclose(
            made["influence"][t],
            (rows_g @ means.T).numpy(),
            rtol=2e-3,
            atol=1e-3 * float(means.norm() * rows_g.norm(dim=1).mean()),
        )
        np.testing.assert_allclose(made["sketches"][t] @ trajectories[t].T, made["influence"][t], rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(made["norm"][t], rows_g.norm(dim=1).numpy(), rtol=1e-4)
        np.testing.assert_allclose(made["self_influence"][t], state.lr * raw.square().sum(1).numpy(), rtol=1e-4)
        units = probe_raw / probe_raw.norm(dim=1, keepdim=True)
        on = {
            "mean": [probe_raw[subtask == s].mean(0) for s in range(3)],
            "units": [units[subtask == s].mean(0) for s in range(3)],
        }
        for name, side in (("update_on_mean", rows_g), ("update_on_units", rows_g), ("gradient_on_units", raw)):
            aims = torch.stack(on[name.split("_on_")[1]])
            expected = (side @ aims.T).numpy()
            np.testing.assert_allclose(
                matched[name][t], expected, rtol=2e-3, atol=1e-3 * float(aims.norm() * side.norm(dim=1).mean())
            )
        np.testing.assert_allclose(matched["update_norm"][t], made["norm"][t], rtol=1e-6)
        np.testing.assert_allclose(matched["gradient_norm"][t], raw.norm(dim=1).numpy(), rtol=1e-4)
    cosines = matched["gradient"].astype(np.float64) @ matched["gradient"].T.astype(np.float64)
    kept = (raw / raw.norm(dim=1, keepdim=True)).double()  # of the last state: keep_snapshot 1
    np.testing.assert_allclose(cosines, (kept @ kept.T).numpy(), atol=2e-3)


def test_a_folded_sketch_keeps_cosines(lora_model, rows):
    state = snapshot(trainable(lora_model))
    engine = engine_of(lora_model, projection=4096, batch_tokens=400, keep_sketches=False)
    which = np.arange(20)
    nothing = {name: np.zeros((1, 1, 4096), np.float32) for name in ("gradients", "unit_gradients")}

    def cosines(width):
        kept = row_matching(
            engine, rows, which, [state], nothing, Match(update="adamw", keep_width=width, keep_snapshot=0)
        )["gradient"].astype(np.float64)
        np.testing.assert_allclose(np.linalg.norm(kept, axis=1), 1, atol=1e-3)
        return kept @ kept.T

    made = cosines(1024)
    exact = by_loop(lora_model, rows, which, 0).double()
    exact = exact / exact.norm(dim=1, keepdim=True)
    apart = made - (exact @ exact.T).numpy()
    assert 0 < apart.std() < 1.5 / np.sqrt(1024) and abs(apart.mean()) < 0.01
