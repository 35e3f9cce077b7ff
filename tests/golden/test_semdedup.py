"""SemDeDup against its authors' output: facebookresearch/SemDeDup 6b41945.

2000 unit rows with exact and near duplicates, 20 clusters.
"""

from pathlib import Path

import numpy as np
import pytest

from cadc.selectors.semdedup import Measured, keeping_order, nearest_in_front, within_budget
from cadc.selectors.shared.kmeans import centroid_cosine


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(Path(__file__).parent / "semdedup" / "semdedup_hard.npz"))


@pytest.fixture(scope="module")
def measured(golden):
    features, assignment = golden["embeddings"], golden["nearest_cent"]
    cosine = centroid_cosine(features, assignment, golden["centroids"])
    np.testing.assert_allclose(cosine, golden["cos_to_cent"], atol=1e-6)
    order = keeping_order(
        assignment, len(golden["centroids"]), cosine, str(golden["which_to_keep"]), np.random.default_rng(0)
    )
    nearest = np.zeros(len(features))
    for rows in order:
        nearest[rows] = nearest_in_front(features[rows])
    return Measured(order, nearest)


def test_order_inside_clusters(golden, measured):
    assert np.concatenate(measured.order).tolist() == golden["within_cluster_order"].tolist()


def test_highest_cosine_with_an_earlier_row(golden, measured):
    np.testing.assert_allclose(measured.nearest, golden["max_sim_to_earlier"], atol=1.5e-6)


@pytest.mark.parametrize("eps", [0.02, 0.05, 0.1, 0.2, 0.3])
def test_survivors_of_each_eps_and_of_the_budget_that_they_fill(golden, measured, eps):
    kept = sorted(golden[f"kept_eps_{eps:g}"].tolist())
    assert np.flatnonzero(measured.nearest <= 1 - eps).tolist() == kept
    assert sorted(within_budget(measured, len(kept), np.random.default_rng(0)).tolist()) == kept
