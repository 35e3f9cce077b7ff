"""PROGRESS against its authors' output: MyLittleChange/PROGRESS d204855."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cadc.selectors.shared.kmeans import members
from cadc.selectors.shared.mmd import kernel_sums
from cadc.selectors.shared.transfer_density import (
    Measured,
    cluster_shares,
    densities,
    pick,
    transferability,
    visit_order,
)
from cadc.training import released_progress as released

FOLDER = Path(__file__).parent / "progress"
ROUNDS, EDGES, CONTROLS, MEASURED, WARM_UP = (
    dict(np.load(FOLDER / f"{name}.npz"))
    for name in ("rounds_t0.5_seed0", "edges_seed10", "controls_seed20", "measure_seed30", "warmup_norm6_seed40")
)


def case_of(name):
    return {key.removeprefix(f"{name}__"): value for key, value in EDGES.items() if key.startswith(f"{name}__")}


@pytest.mark.parametrize("r", range(1, int(ROUNDS["n_rounds"]) + 1))
def test_a_round(r):
    cluster, n_clusters = ROUNDS["cluster"], ROUNDS["accuracy"].shape[1]
    rows, right = ROUNDS[f"measured_rows_{r}"], ROUNDS[f"measured_right_{r}"]
    n_now = np.bincount(cluster[rows], minlength=n_clusters)
    assert n_now.tolist() == np.maximum(ROUNDS["n_measured"][r], 0).tolist()
    with np.errstate(invalid="ignore"):
        accuracy = np.bincount(cluster[rows], right, n_clusters) / np.where(n_now > 0, n_now, np.nan)
    np.testing.assert_allclose(accuracy, ROUNDS["accuracy"][r], rtol=1e-9)
    change = released.change(accuracy, ROUNDS["accuracy"][r - 1], n_now)
    np.testing.assert_allclose(change, ROUNDS["relative_change"][r - 1], rtol=1e-9)
    left = np.bincount(cluster[ROUNDS[f"left_rows_before_{r}"]], minlength=n_clusters)
    p = released.shares(change, left, float(ROUNDS["temperature"]))
    np.testing.assert_allclose(p, np.nan_to_num(ROUNDS["share"][r - 1]), rtol=1e-9, atol=1e-15)
    taken = released.counts(p, left, int(ROUNDS["gap"]))
    assert taken.tolist() == np.maximum(ROUNDS["target"][r - 1], 0).tolist()
    chosen, n = ROUNDS[f"chosen_rows_{r}"], int(ROUNDS[f"n_by_priority_{r}"])
    assert taken.sum() == n and len(chosen) == n + released.explored(int(ROUNDS["gap"]))
    assert np.bincount(cluster[chosen[:n]], minlength=n_clusters).tolist() == taken.tolist()
    assert (p[cluster[chosen[n:]]] == 0).all()


@pytest.mark.parametrize("name", EDGES["cases"].tolist())
def test_edges(name):
    made = case_of(name)
    flags, left = str(made["flags"]), np.bincount(made["cluster_of_left_row"], minlength=24)
    change = released.change(made["now"], made["before"], made["n_now"], "--use_current_acc" in flags)
    np.testing.assert_allclose(change, made["relative_change"], rtol=1e-9)
    p = released.shares(change, left, float(made["temperature"]) if made["softmax"] else None)
    if name == "no_positive_change":
        assert not p.any()
    if made["error"]:
        return
    np.testing.assert_allclose(p, np.nan_to_num(made["share"]), rtol=1e-9, atol=1e-15)
    taken = released.counts(p, left, int(made["gap"]))
    assert taken.tolist() == np.maximum(made["target"], 0).tolist()
    assert taken.sum() == int(made["n_by_priority"])


def test_changes_without_a_temperature_share_however_small_they_are():
    p, left = released.shares(np.array([0.2, -0.5, 0.1, 0.3]), np.array([99, 99, 99, 0]), None), np.full(4, 99)
    assert p.tolist() == [0.2, 0, 0.1, 0] and released.counts(p, left, 100).tolist() == [60, 0, 30, 0]
    assert not released.counts(np.zeros(4), left, 100).any()


def test_a_loss_that_was_not_measured_before_counts_as_one_over_the_rows():
    change = released.change(np.array([1.5, 1.5, np.nan]), np.array([np.nan, 1.0, 1.0]), np.array([10, 10, 0]))
    np.testing.assert_allclose(change, [14.0, 0.5, np.nan])


def test_a_share_is_above_0_however_slow_a_cluster_improves():
    assert (released.shares(np.array([99.0, 0.1, -1.0]), np.full(3, 9), 0.1) > 0).tolist() == [True, True, False]


@pytest.mark.parametrize("which", ["easiest", "hardest", "mid", "easy_mid"])
@pytest.mark.parametrize("gap", CONTROLS["gaps"].tolist())
def test_controls(which, gap):
    order = CONTROLS["cluster_order_in_file"]
    left = np.bincount(CONTROLS["cluster_of_left_row"], minlength=30)
    found = order[released.control(CONTROLS["accuracy"][order], left[order], gap, which)]
    rows = np.flatnonzero(np.isin(CONTROLS["cluster_of_left_row"], found))
    assert set(rows) == set(CONTROLS[f"{which}_{gap}_rows"])
    taken = CONTROLS[f"{which}_{gap}_clusters"]
    assert set(taken) == set(found)


def test_a_judge_s_reply():
    right = [released.judged_right(text) for text in MEASURED["judge_judge_text"].tolist()]
    assert right == MEASURED["judge_right"].astype(bool).tolist()


def test_losses_of_rows_and_clusters():
    logits, labels, there = (torch.tensor(MEASURED[f"loss_{name}"]) for name in ("logits", "labels", "attention_mask"))
    losses = released.row_losses(logits, labels, there).numpy()
    np.testing.assert_allclose(losses, MEASURED["loss_row_loss"], rtol=1e-5)
    means = [losses[rows].mean() for rows in members(MEASURED["loss_cluster"], 4)]
    np.testing.assert_allclose(means, MEASURED["loss_cluster_loss"], rtol=1e-5)


@pytest.mark.parametrize("fraction", ["0.075", "0.09", "0.3"])
def test_a_warm_up(fraction):
    """Image features are six times as long as questions', and the whole centroid tells transferability."""
    features = np.concatenate([WARM_UP["image_features"], WARM_UP["question_features"]], 1)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    found = transferability(WARM_UP["warm_centroids"], 0.9)
    np.testing.assert_allclose(found, WARM_UP["transferability"], rtol=1e-5)
    rows = members(WARM_UP["warm_cluster"], len(found))
    sums = [kernel_sums(features[own], 1.0) for own in rows]
    np.testing.assert_allclose(densities(sums), WARM_UP["density_f64"], rtol=1e-7)
    measured = Measured(features, rows, found / densities(sums), sums, 1.0)
    assert visit_order(measured.score).tolist() == WARM_UP["visit_order_f64"].tolist()
    sizes = np.array([len(own) for own in rows])
    shares = cluster_shares(measured.score, sizes, round(float(fraction) * 1000), 0.1, "released")
    assert (
        shares.tolist()
        == WARM_UP[f"f{fraction}_f64_per_cluster"].tolist()
        == WARM_UP[f"f{fraction}_per_cluster"].tolist()
    )
    picked = np.concatenate([pick(measured, shares)[c] for c in visit_order(measured.score)])
    assert set(picked) == set(WARM_UP[f"f{fraction}_f64_selected_in_pick_order"])
