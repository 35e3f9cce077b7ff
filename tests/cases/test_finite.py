"""Numbers that are not finite are named by row where they appear, and no method chooses behind them."""

import json

import numpy as np
import pytest
import torch

from cadc import artifacts
from cadc.capabilities.attribution import affinity, capability_influence, purity
from cadc.capabilities.graph import capabilities, check_gram, cosine_similarity
from cadc.capabilities.stability import consensus, load_captured, most_stable
from cadc.compute import finite
from cadc.compute.finite import not_finite, refuse_not_finite
from cadc.config.errors import InputError
from cadc.config.params import Capture, Lora, Match
from cadc.gradients.influence import SketchedDirections, row_gram, row_influence, subtask_trajectories, unit
from cadc.gradients.matching import row_matching
from cadc.model import pool_shards
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, trainable
from cadc.selectors.icons import task_scores
from cadc.selectors.less import matching_scores
from cadc.selectors.shared.band import rows_in_band
from cadc.training.answers import measured
from cadc.training.finetune import finetune
from cadc.training.snapshots import Snapshot

BAD = (np.nan, np.inf, -np.inf)


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("block", [1, 7, 1 << 24])
def test_rows_are_found_on_any_axis_in_any_block(value, dtype, block, monkeypatch):
    monkeypatch.setattr(finite, "_BLOCK", block)
    array = np.ones((3, 5, 4), dtype)
    array[2, 1, 3] = array[0, 4, 0] = value
    assert [not_finite(array, axis).tolist() for axis in range(3)] == [[0, 2], [1, 4], [0, 3]]
    assert not_finite(array[:, 2:3], 1).tolist() == [] and not_finite(array[:, 1, 3]).tolist() == [2]


def test_what_has_no_fractions_is_finite_and_so_is_nothing():
    for array in (np.arange(3), np.array(["a", "nan"]), np.array([True]), np.empty((0, 4)), np.empty((2, 0))):
        assert not len(not_finite(array))


def test_a_map_on_disk_is_read_where_it_lies(tmp_path):
    array = np.ones((2, 9, 3), np.float32)
    array[1, 6] = np.nan
    artifacts.save_array(tmp_path / "a.npy", array)
    assert not_finite(artifacts.load_array(tmp_path / "a.npy"), 1).tolist() == [6]


def test_a_message_names_the_array_the_first_rows_and_how_many():
    array = np.zeros((2, 9), np.float32)
    array[1, 2:] = np.inf
    said = r"^norm is not finite \(NaN or infinite\) in row c, d, e and 4 more \(7 of 9\); look$"
    with pytest.raises(InputError, match=said):
        refuse_not_finite({"loss": np.ones((1, 9)), "norm": array}, 1, "abcdefghi", fix="look")


class Poisoned(EncodedRows):
    """Rows one of which shows a picture whose pixels are `value`."""

    at, value = -1, np.nan

    def __getitem__(self, index):
        encoded = super().__getitem__(index)
        if index != self.at:
            return encoded
        return encoded | {"pixel_values": torch.full_like(encoded["pixel_values"], self.value)}


@pytest.fixture(params=[np.nan, np.inf], ids=["nan", "inf"])
def poisoned(pool, processor, request):
    rows = Poisoned(pool, processor, 256)
    rows.at = next(k for k, images in enumerate(pool["images"].to_pylist()) if images)
    rows.value = request.param
    return rows


def name_of(rows):
    return rows.table["id"][rows.at].as_py()


def snapshot(model):
    weights = {name: p.detach().clone() for name, p in trainable(model).items()}
    ones = {name: torch.ones_like(p) for name, p in weights.items()}
    return Snapshot(10, 1e-3, 0.9, 0.999, 1e-8, weights, ones, ones)


def engine_of(model):
    settings = dict(targets=["mmt_val"], update="adamw", sketch="count", projection=128, projection_seed=0)
    return SketchedDirections(model, Capture(**settings, batch_tokens=400, keep_sketches=False, shard_rows=10), 0)


def test_a_probe_row_without_a_finite_gradient_is_named(lora_model, poisoned):
    engine, states, n = engine_of(lora_model), [snapshot(lora_model)], poisoned.at + 3
    said = (
        rf"loss is not finite .* in row id {name_of(poisoned)}; at the proxy's snapshot after step 10: check these rows"
    )
    with pytest.raises(InputError, match=said):
        subtask_trajectories(engine, poisoned, np.arange(n) % 2, 2, states)
    with pytest.raises(InputError, match=said):
        row_gram(engine, poisoned, n, states)


def test_a_pool_row_without_a_finite_gradient_is_named(lora_model, poisoned):
    engine, states, which = engine_of(lora_model), [snapshot(lora_model)], np.arange(poisoned.at + 3)
    said = rf"loss is not finite .* in row id {name_of(poisoned)}; "
    with pytest.raises(InputError, match=said):
        row_influence(engine, poisoned, which, states, np.ones((1, 2, 128), np.float32))
    targets = dict.fromkeys(("gradients", "unit_gradients"), np.ones((1, 2, 128), np.float32))
    with pytest.raises(InputError, match=said):
        match = Match(update="adamw", keep_width=128, keep_snapshot=0)
        row_matching(engine, poisoned, which, states, targets, match)
    there = np.setdiff1d(which, [poisoned.at])  # the others are what they were
    assert np.isfinite(
        row_influence(engine, poisoned, there, states, np.ones((1, 2, 128), np.float32))["influence"]
    ).all()


def test_a_gradient_whose_square_is_too_large_is_named(lora_model, rows):
    engine, state = engine_of(lora_model), snapshot(lora_model)
    for weight in state.weights.values():
        weight.mul_(1e15)
    with pytest.raises(InputError, match=r"is not finite .* in row id .*; at the proxy's snapshot"):
        row_influence(engine, rows, np.arange(6), [state], np.ones((1, 2, 128), np.float32))


def test_a_row_that_can_t_be_measured_or_trained_on_is_named(tiny_model, poisoned, params, model_params):
    model = add_lora(tiny_model, Lora(rank=2, alpha=4, targets=model_params.lora.targets), 0)
    with pytest.raises(InputError, match=rf"loss and accuracy is not finite .* in row id {name_of(poisoned)};"):
        measured(model, poisoned, np.arange(poisoned.at + 2), 4)
    few = params.proxy.model_copy(update={"batch_size": 1})
    with pytest.raises(InputError, match=rf"the loss is nan .* at step 2, rows with ids {name_of(poisoned)};"):
        finetune(model, poisoned, np.array([poisoned.at + 1, poisoned.at]), few, model_params)


def test_a_gradient_that_is_not_finite_is_told_from_the_batch_that_made_it(tiny_model, rows, params, model_params):
    """Its loss is: the next batch's would be NaN, and be blamed."""
    model = add_lora(tiny_model, Lora(rank=2, alpha=4, targets=model_params.lora.targets), 0)
    weight = next(iter(trainable(model).values()))
    weight.register_hook(lambda gradient: torch.full_like(gradient, torch.nan))
    ids = rows.table["id"].to_pylist()
    with pytest.raises(InputError, match=rf"the gradient norm nan at step 1, rows with ids {ids[0]}, {ids[1]};"):
        finetune(model, rows, np.arange(4), params.proxy.model_copy(update={"batch_size": 2}), model_params)


@pytest.mark.parametrize(("name", "axis"), [("hidden", 0), ("nll", 1)])
def test_a_shard_of_rows_is_not_written_with_such_a_number(name, axis, pool, params, monkeypatch, tmp_path, processor):
    monkeypatch.setattr(pool_shards.artifacts, "load_pool", lambda: pool)
    monkeypatch.setattr(pool_shards, "load_processor", lambda params: processor)
    small = params.model_copy(update={"capture": params.capture.model_copy(update={"shard_rows": 2})})

    def measure(rows, which):
        made = {"hidden": np.ones((2, 3), np.float16), "nll": np.ones((2, 2), np.float32)}
        made[name][(slice(None),) * axis + (1,)] = np.nan if axis else np.inf
        return made

    ids = pool["id"].to_pylist()
    with pytest.raises(InputError, match=rf"^{name} is not finite .* in row id {ids[7]}; check these rows"):
        pool_shards.pool_shard(small, measure, ("hidden",))(3, tmp_path)  # rows 6 and 7


def test_long_vectors_are_of_length_one_and_zero_ones_stay_zero():
    vectors = np.array([[3e30, 4e30], [0, 0], [3e-30, 4e-30], [3, 4]], np.float32)
    np.testing.assert_allclose(unit(vectors), [[0.6, 0.8], [0, 0], [0.6, 0.8], [0.6, 0.8]], rtol=1e-6)


def probe_rows():
    """Directions [32, 64] of eight subtasks of two kinds, and whose they are."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(2, 64))
    rows = np.stack([base[s // 4] + 0.5 * rng.normal(size=64) for s in range(8) for _ in range(4)])
    return rows, np.repeat(np.arange(8), 4)


def grams(rows):
    return [(rows @ rows.T)[None].astype(np.float32)]


@pytest.fixture
def discover(params):
    from cadc.config.arms import Variant
    from cadc.config.params import load_params

    return load_params(Variant("discoveries", "influence_coverage")).discover


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("row", [0, 5, 31])
def test_discovery_names_a_probe_row_that_is_not_finite(row, value, discover):
    rows, subtask = probe_rows()
    assert most_stable(consensus(grams(rows), subtask, np.ones(1), discover)).n_capabilities == 2
    rows[row, 3] = value
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(
            InputError,
            match=rf"inner product is not finite .* in probe row {row} \(of subtask {row // 4}\); check its gradient",
        ),
    ):
        consensus(grams(rows), subtask, np.ones(1), discover)


def test_a_probe_row_without_a_gradient_counts_as_nothing(discover):
    """It has no direction: the others of its subtask say what it is about."""
    rows, subtask = probe_rows()
    whole = most_stable(consensus(grams(rows), subtask, np.ones(1), discover))
    rows[5] = 0
    made = most_stable(consensus(grams(rows), subtask, np.ones(1), discover))
    np.testing.assert_array_equal(made.partition, whole.partition)


@pytest.mark.parametrize("empty", [[1], [0, 7], list(range(8))])
def test_discovery_names_subtasks_of_which_no_row_has_a_gradient(empty, discover, tmp_path):
    """Each would be a capability of its own, on which all draws agree."""
    rows, subtask = probe_rows()
    rows[np.isin(subtask, empty)] = 0
    with pytest.raises(
        InputError, match=f"{len(empty)} subtasks have zero gradients: {', '.join(map(str, empty[:3]))}"
    ):
        consensus(grams(rows), subtask, np.ones(1), discover)
    names = [{"name": f"kind {s}", "target": "pope"} for s in range(8)]
    (tmp_path / "subtasks.json").write_text(json.dumps(names))
    artifacts.save_array(tmp_path / "row_subtask.npy", subtask.astype(np.int32))
    artifacts.save_array(tmp_path / "row_gram_run_0.npy", np.concatenate([grams(rows)[0]] * 2))
    said = f"row_gram_run_0.npy: all probe rows of {len(empty)} subtasks have zero gradients: kind {empty[0]}"
    with pytest.raises(InputError, match=said):
        load_captured(tmp_path, ["pope"], 1)


@pytest.mark.parametrize("value", BAD)
def test_discovery_names_the_file_and_the_subtask(value, tmp_path):
    rows, subtask = probe_rows()
    rows[6, 0] = value
    names = [{"name": f"kind {s}", "target": "pope" if s == 7 else "mmt_val"} for s in range(8)]
    (tmp_path / "subtasks.json").write_text(json.dumps(names))
    artifacts.save_array(tmp_path / "row_subtask.npy", subtask.astype(np.int32))
    with np.errstate(invalid="ignore"):
        artifacts.save_array(tmp_path / "row_gram_run_0.npy", grams(rows)[0])
    with pytest.raises(InputError, match=r"in \S+row_gram_run_0.npy: probe row 6 \(of subtask kind 1\)"):
        load_captured(tmp_path, ["mmt_val"], 1)
    assert len(load_captured(tmp_path, ["pope"], 1).subtask) == 4  # which it is no part of


@pytest.mark.parametrize("value", BAD)
def test_a_subtask_or_a_single_product_that_is_not_finite_is_named(value):
    gram = np.eye(4)[None].repeat(2, 0)
    gram[1, 2, 2] = value
    for ask in (
        lambda: cosine_similarity(gram, np.ones(2)),
        lambda: capabilities(gram, np.ones(2), False, 0.0, 1.0, 1, 0),
        lambda: affinity(np.ones((2, 3, 4)), np.ones((2, 3)), gram, np.ones(2)),
        lambda: purity(np.ones((2, 3, 4)), np.ones((2, 3)), gram),
    ):
        with pytest.raises(InputError, match="in subtask 2; check its gradient"):
            ask()
    off = np.eye(3)[None]
    off[0, 0, 1] = off[0, 1, 0] = value
    with pytest.raises(InputError, match=r"in subtask a, b \(2 of 3\); "):
        check_gram(off, ["a", "b", "c"])


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("array", ["influence", "norm"])
def test_attribution_names_a_row_that_is_not_finite(array, value):
    arrays = {"influence": np.ones((2, 9, 4), np.float32), "norm": np.ones((2, 9), np.float32)}
    arrays[array][1, 7] = value
    for center in (False, True):
        with pytest.raises(InputError, match=r"is not finite .* in row 7; run `attribute` again"):
            capability_influence(*arrays.values(), np.eye(4)[None].repeat(2, 0), np.ones(2), np.zeros(4, int), center)
    arrays[array][1, 7] = 0  # no direction: no influence
    made = capability_influence(*arrays.values(), np.eye(4)[None].repeat(2, 0), np.ones(2), np.zeros(4, int), False)
    assert np.isfinite(made).all() and made[7] < made[6]


@pytest.mark.parametrize("value", BAD)
def test_scores_of_rows_that_are_not_finite_are_refused(value):
    products, norm = np.ones((9, 3), np.float32), np.ones(9, np.float32)
    for array in (products, norm):
        kept = array.copy()
        array[4] = value
        with pytest.raises(InputError, match="in row 4"):
            task_scores(products, norm, np.array([0, 1, 1]), np.ones(3))
        with pytest.raises(InputError, match="in row 4"):
            matching_scores(products[None], norm[None], np.ones((1, 3)), np.ones(1))
        array[:] = kept
    with pytest.raises(InputError, match="in subtask 1"):
        matching_scores(products[None], norm[None], np.array([[1, value, 1]]), np.ones(1))
    for band in ("top", "middle", "bottom"):
        with pytest.raises(InputError, match="score is not finite .* in row 2"):
            rows_in_band(np.array([0, 1, value, 3]), 2, band)
