"""COINCIDE against its authors' output: G-JWLee/COINCIDE_code, on 24 clusters of 2000 seeded unit rows."""

from pathlib import Path

import numpy as np
import pytest

from cadc.selectors.shared.kmeans import members
from cadc.selectors.shared.mmd import greedy_mmd, kernel_sums, rbf_kernel
from cadc.selectors.shared.transfer_density import (
    Measured,
    cluster_shares,
    densities,
    log_softmax,
    pick,
    transferability,
    visit_order,
)

FOLDER = Path(__file__).parent / "coincide"
RUNS = ("prune_f0.2_g1_t0.1", "prune_f0.9_g1_t0.05")


@pytest.fixture(params=RUNS)
def golden(request):
    return dict(np.load(FOLDER / f"{request.param}.npz"))


@pytest.fixture
def measured(golden):
    features, gamma = golden["embeddings_fp16"], float(golden["gamma"])
    rows = members(golden["nearest_cent"], len(golden["transferability"]))
    sums = [kernel_sums(features[r], gamma) for r in rows]
    return Measured(features, rows, golden["transferability"] / densities(sums), sums, gamma)


def released_shares(golden, measured):
    sizes = np.array([len(rows) for rows in measured.rows])
    return cluster_shares(measured.score, sizes, int(golden["target_num_samples"]), float(golden["temp"]), "released")


def test_transferability():
    golden = np.load(FOLDER / "transferability_64d.npz")
    centroids = golden["centroids"]
    language = centroids.reshape(len(centroids), int(golden["n_layers"]), 2, -1)[:, :, 1].reshape(len(centroids), -1)
    made = transferability(language, float(golden["threshold"]))
    np.testing.assert_allclose(made, golden["transferability"], rtol=1e-5)


def test_density_score_and_first_share(golden, measured):
    np.testing.assert_allclose(densities(measured.sums), golden["cluster_density"], rtol=1e-7)
    np.testing.assert_allclose(measured.score, golden["cluster_score"], rtol=1e-7)
    np.testing.assert_allclose(
        np.exp(log_softmax(measured.score / float(golden["temp"]))), golden["initial_ratio"], rtol=1e-6
    )
    assert visit_order(measured.score).tolist() == golden["cluster_visit_order"].tolist()


def test_shares(golden, measured):
    assert released_shares(golden, measured).tolist() == golden["per_cluster_count"].tolist()


def test_chosen_rows_in_the_order_of_picking(golden, measured):
    """Whole clusters are compared as sets.

    There they stand in pool order, or in that of picking when they are asked for exactly all their rows.
    """
    chosen, theirs = pick(measured, released_shares(golden, measured)), golden["selected_indices_in_pick_order"]
    at, parts = 0, 0
    for cluster in visit_order(measured.score):
        own, official = chosen[cluster].tolist(), theirs[at : at + len(chosen[cluster])].tolist()
        at += len(own)
        if len(own) < len(measured.rows[cluster]):
            assert own == official
            parts += 1
        else:
            assert sorted(own) == sorted(official)
    assert at == len(theirs) and parts >= 8


def test_a_cluster_asked_for_all_its_rows_in_the_order_of_picking():
    golden = dict(np.load(FOLDER / f"{RUNS[1]}.npz"))
    rows = np.flatnonzero(golden["nearest_cent"] == 9)
    features = golden["embeddings_fp16"][rows]
    theirs = golden["selected_indices_in_pick_order"]
    assert (
        rows[greedy_mmd(features, kernel_sums(features, 1.0), len(rows), 1.0)].tolist()
        == theirs[golden["nearest_cent"][theirs] == 9].tolist()
    )


def test_kernel_and_greedy_order():
    golden = np.load(FOLDER / "mmd_cluster0.npz")
    features, gamma = golden["cluster_embeddings_fp16"].astype(np.float64), float(golden["gamma"])
    np.testing.assert_allclose(rbf_kernel(features, features, gamma), golden["kernel"], atol=1e-9)
    np.testing.assert_allclose(kernel_sums(features, gamma), golden["kernel"].sum(0), rtol=1e-8)
    assert (
        greedy_mmd(features, kernel_sums(features, gamma), int(golden["M"]), gamma).tolist()
        == golden["greedy_order"].tolist()
    )
