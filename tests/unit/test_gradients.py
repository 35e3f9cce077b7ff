"""Gradients: exact for every row, whatever its batch; AdamW's own direction; an unbiased sketch."""

import shutil

import numpy as np
import pytest
import torch

from cadc.config.params import Capture, Match
from cadc.gradients.adamw import Direction
from cadc.gradients.influence import SketchedDirections, row_influence, subtask_trajectories, token_batches
from cadc.gradients.matching import row_matching
from cadc.gradients.per_sample import PerSampleGradients, answer_loss
from cadc.gradients.sketch import CountSketch, make_sketch
from cadc.model.encode import EncodedRows, collate, model_inputs
from cadc.model.load import trainable
from cadc.training.snapshots import Snapshot

CPU = torch.device("cpu")


def by_loop(model, rows, which, pad_id):
    """One backward pass a row, by autograd itself."""
    out = []
    for row in which:
        batch = model_inputs(collate([rows[row]], pad_id), CPU)
        labels = batch.pop("labels")
        loss = answer_loss(model(**batch).logits, labels).sum()
        grads = torch.autograd.grad(loss, list(trainable(model).values()), allow_unused=True)
        out.append(
            torch.cat(
                [
                    torch.zeros(p.numel()) if g is None else g.flatten()
                    for g, p in zip(grads, trainable(model).values(), strict=True)
                ]
            )
        )
    return torch.stack(out)


def mixed_rows(pool):
    """Rows with and without image, of one and of several turns."""
    records = pool.to_pylist()
    text = [i for i, r in enumerate(records) if not r["images"]][:2]
    several = [i for i, r in enumerate(records) if len(r["turns"]) > 2][:2]
    return [*text, *several, 0, 1, 2, 3]


def test_hooks_equal_the_loop_in_language_model_connector_and_vision_tower(lora_model, rows, pool):
    which = mixed_rows(pool)
    expected = by_loop(lora_model, rows, which, 0)
    with PerSampleGradients(lora_model) as gradients:
        made, losses = gradients.dense(collate([rows[i] for i in which], 0))
    assert (made - expected).norm(dim=1).max() / expected.norm(dim=1).max() < 1e-5
    for part in ("language_model", "multi_modal_projector", "vision_tower"):
        at = np.cumsum([0, *gradients.sizes])
        slot = next(slice(at[i], at[i + 1]) for i, name in enumerate(gradients.names) if part in name)
        assert made[-1, slot].abs().max() > 0
    assert torch.isfinite(losses).all() and all(p.requires_grad for p in trainable(lora_model).values())


def test_a_row_does_not_depend_on_its_batch(lora_model, rows, pool):
    which = mixed_rows(pool)
    with PerSampleGradients(lora_model) as gradients:
        together, _ = gradients.dense(collate([rows[i] for i in which], 0))
        reverse, _ = gradients.dense(collate([rows[i] for i in reversed(which)], 0))
        alone = torch.cat([gradients.dense(collate([rows[i]], 0))[0] for i in which])
    scale = together.norm(dim=1, keepdim=True)
    assert ((together - alone) / scale).abs().max() < 1e-5
    assert ((together - reverse.flip(0)) / scale).abs().max() < 1e-5


def test_only_answer_tokens_count_and_a_row_without_them_has_no_gradient(lora_model, rows):
    batch = collate([rows[0], rows[1]], 0)
    batch["labels"][1] = -100
    with PerSampleGradients(lora_model) as gradients:
        made, losses = gradients.dense(batch)
    assert made[1].abs().max() == 0 and losses[1] == 0 and made[0].abs().max() > 0


def snapshot(parameters, step=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = {k: {n: torch.randn(p.shape, generator=generator) for n, p in parameters.items()} for k in ("w", "m", "v")}
    return Snapshot(step, 1e-3, 0.9, 0.999, 1e-8, draw["w"], draw["m"], {n: v.square() for n, v in draw["v"].items()})


def test_adamw_direction_is_the_step_that_torch_takes():
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(6, 5))
    optimizer = torch.optim.AdamW([weight], lr=1.0, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    for _ in range(4):
        weight.grad = torch.randn(6, 5)
        optimizer.step()
    state = optimizer.state[weight]
    taken = Snapshot(
        4,
        1.0,
        0.9,
        0.999,
        1e-8,
        {"w": weight.detach()},
        {"w": state["exp_avg"].clone()},
        {"w": state["exp_avg_sq"].clone()},
    )
    gradient, before = torch.randn(6, 5), weight.detach().clone()
    weight.grad = gradient
    optimizer.step()
    made = Direction(taken, "adamw", CPU)("w", gradient.flatten()[None].clone())
    assert torch.allclose(made[0].reshape(6, 5), before - weight.detach(), atol=1e-6)


def test_own_update_leaves_out_the_shared_momentum():
    parameters = {"w": torch.zeros(40)}
    state = snapshot(parameters)
    gradients = torch.randn(5, 40)
    full = Direction(state, "adamw", CPU)("w", gradients)
    own = Direction(state, "adamw_own", CPU)("w", gradients)
    second = 0.999 * state.exp_avg_sq["w"] + 0.001 * gradients**2
    shared = 0.9 * state.exp_avg["w"] / (1 - 0.9**8) / ((second / (1 - 0.999**8)).sqrt() + 1e-8)
    assert torch.allclose(full - own, shared, atol=1e-4)
    assert torch.equal(Direction(state, "sgd", CPU)("w", gradients), gradients)


def sketched(sketch: CountSketch, values: dict[str, torch.Tensor]) -> torch.Tensor:
    out = sketch.zeros(len(next(iter(values.values()))))
    for name, value in values.items():
        sketch.add(name, value, out)
    return out


def test_the_fused_pass_is_direction_then_sketch():
    parameters = {"w": torch.zeros(700)}
    gradients, sketch = torch.randn(5, 700), CountSketch(["w"], [700], 64, 1, CPU)
    gradients[2] = 0
    for update in ("adamw", "adamw_own", "sgd"):
        direction = Direction(snapshot(parameters), update, CPU)
        fused = sketch.zeros(5)
        sketch.add_direction("w", gradients, direction, fused)
        apart = sketched(sketch, {"w": direction("w", gradients)})
        assert torch.allclose(fused, apart, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on CPU")
def test_the_compiled_pass_for_gpus_is_the_fused_one():
    """On the CPU, for want of a GPU: what is compiled for one gives what numba gives here."""
    from cadc.gradients.sketch import _adamw_sketch, _compiled

    sketch, direction = (
        CountSketch(["w"], [700], 64, 1, CPU),
        Direction(snapshot({"w": torch.zeros(700)}), "adamw", CPU),
    )
    state = (torch.from_numpy(sketch.shift["w"]), sketch.sign["w"], direction.momentum["w"], direction.variance["w"])
    for n in (5, 3):
        gradients, fused = torch.randn(n, 700), sketch.zeros(n)
        sketch.add_direction("w", gradients, direction, fused)
        for way in (_adamw_sketch, _compiled()):
            made = way(gradients, *state, direction.own, direction.square, direction.epsilon, 64)
            assert torch.allclose(made, fused, rtol=1e-4, atol=1e-4)


def test_a_layer_used_twice_has_the_sum_of_both_uses(lora_model, rows):
    import types

    layer = next(m for name, m in lora_model.named_modules() if name.endswith("layers.1.mlp.down_proj"))
    forward = layer.forward
    layer.forward = types.MethodType(lambda self, x: forward(x) + 0.5 * forward(x * 0.3), layer)
    expected = by_loop(lora_model, rows, [0, 5, 9], 0)
    with PerSampleGradients(lora_model) as gradients:
        made, _ = gradients.dense(collate([rows[i] for i in (0, 5, 9)], 0))
    assert (made - expected).norm(dim=1).max() / expected.norm(dim=1).max() < 1e-5


def test_batches_hold_every_row_once_within_the_budget_of_tokens():
    lengths = np.random.default_rng(0).integers(5, 90, 200)
    lengths[17] = 500
    batches = token_batches(lengths, 300)
    assert sorted(np.concatenate(batches).tolist()) == list(range(200))
    assert (
        all(len(b) == 1 or len(b) * lengths[b].max() <= 300 for b in batches)
        and token_batches(np.empty(0, int), 10) == []
    )


@pytest.mark.parametrize("kind", ["count", "rademacher"])
def test_a_sketch_is_unbiased_and_no_wider_than_its_bound(kind):
    torch.manual_seed(1)
    x, y = torch.randn(2, 3000)
    y = x + y
    products = []
    for seed in range(80):
        sketch = make_sketch(kind, ["a", "b"], [1000, 2000], 256, seed, CPU)
        px, py = sketched(sketch, {"a": torch.stack([x[:1000], y[:1000]]), "b": torch.stack([x[1000:], y[1000:]])})
        products.append(float(px @ py))
    bound = np.sqrt(float(x @ x * (y @ y) + (x @ y) ** 2) / 256)
    assert abs(np.mean(products) - float(x @ y)) < 4 * bound / np.sqrt(len(products))
    assert 0.7 * bound < np.std(products) < 1.3 * bound


@pytest.mark.parametrize("kind", ["count", "rademacher"])
def test_a_sketch_is_keyed_by_the_name_of_the_parameter_alone(kind):
    values = torch.randn(3, 2000)
    both, alone = make_sketch(kind, ["a", "b"], [1000, 2000], 64, 3, CPU), make_sketch(kind, ["b"], [2000], 64, 3, CPU)
    assert torch.equal(sketched(both, {"b": values}), sketched(alone, {"b": values}))
    assert not torch.equal(
        sketched(alone, {"b": values}), sketched(make_sketch(kind, ["b"], [2000], 64, 4, CPU), {"b": values})
    )
    assert torch.equal(sketched(make_sketch(kind, ["a"], [2000], 0, 0, CPU), {"a": values}), values)


def test_each_coordinate_of_a_count_sketch_has_one_bucket_shared_evenly():
    made = sketched(CountSketch(["w"], [1000], 64, 5, CPU), {"w": torch.eye(1000)})
    assert (made.abs().sum(1) == 1).all() and (made.abs().max(1).values == 1).all()
    assert made.abs().sum(0).max() <= 16 and -120 < made.sum() < 120


def test_sketch_entries_are_pinned():
    """The same matrices on every machine and version: a change here changes every stored influence."""
    for kind, pinned in PINNED.items():
        made = sketched(
            make_sketch(kind, ["layer.lora_A.weight"], [6], 4, 0, CPU), {"layer.lora_A.weight": torch.eye(6)}
        )
        assert (made * (2 if kind == "rademacher" else 1)).to(int).tolist() == pinned


PINNED = {
    "count": [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 1, 0]],
    "rademacher": [[1, 1, 1, 1], [-1, 1, -1, -1], [1, -1, 1, 1], [1, 1, -1, 1], [-1, 1, 1, 1], [-1, -1, 1, 1]],
}


def test_a_row_s_sketch_depends_neither_on_batches_nor_on_threads(lora_model, rows, pool):
    state = snapshot(trainable(lora_model))
    for weight in state.weights.values():
        weight.mul_(0.2)

    def sketches(batch_tokens: int, threads: int) -> torch.Tensor:
        capture = Capture(
            targets=["mmt_val"],
            update="adamw",
            sketch="count",
            projection=128,
            projection_seed=0,
            batch_tokens=batch_tokens,
            keep_sketches=True,
            shard_rows=10,
        )
        engine, which = SketchedDirections(lora_model, capture, 0), np.array(mixed_rows(pool))
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
    capture = Capture(
        targets=["mmt_val"],
        update="adamw",
        sketch="count",
        projection=0,
        projection_seed=0,
        batch_tokens=150,
        keep_sketches=True,
        shard_rows=10,
    )
    engine = SketchedDirections(lora_model, capture, 0)
    subtask = np.array([0, 1, 1, 0, 2, 2, 2])
    probe = EncodedRows(pool.slice(0, 7), rows.processor, 256)
    targets = subtask_trajectories(engine, probe, subtask, 3, states)
    trajectories, row_gram = targets["trajectories"], targets["row_gram"]
    which = np.array([9, 30, 4, 17, 50])
    made = row_influence(engine, rows, which, states, trajectories)
    matched = row_matching(
        engine, rows, which, states, targets, Match(update="adamw", keep_width=engine.sketch.width, keep_snapshot=1)
    )
    for t, state in enumerate(states):
        from cadc.training.snapshots import restore

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
            row_gram[t], (probe_g @ probe_g.T).numpy(), rtol=2e-3, atol=1e-3 * float(probe_g.square().sum(1).mean())
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
    capture = Capture(
        targets=["mmt_val"],
        update="adamw",
        sketch="count",
        projection=4096,
        projection_seed=0,
        batch_tokens=400,
        keep_sketches=False,
        shard_rows=10,
    )
    engine, which = SketchedDirections(lora_model, capture, 0), np.arange(20)
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
