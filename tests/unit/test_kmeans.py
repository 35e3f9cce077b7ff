"""Spherical k-means: every row is of its nearest centroid, whatever it learnt from."""

import faiss
import numpy as np
import pytest
from test_select_coincide import activations

from cadc.selectors.shared.kmeans import centroid_cosine, members, spherical_kmeans


def test_members_are_all_rows_in_pool_order_and_an_empty_cluster_has_none():
    assert [rows.tolist() for rows in members(np.array([3, 0, 3, 1]), 5)] == [[1], [3], [], [0, 2], []]


def test_k_means_that_learns_from_a_sample_assigns_every_row_to_its_nearest_centroid(monkeypatch):
    features = activations(2000).reshape(2000, -1)
    whole = spherical_kmeans(features, 8, 5, 0)
    assert all(np.array_equal(a, b) for a, b in zip(whole, spherical_kmeans(features, 8, 5, 0, 250), strict=True))
    cluster, centroids = spherical_kmeans(features, 8, 5, 0, 20)
    assert not np.array_equal(centroids, whole[1])
    own = centroid_cosine(features, cluster, centroids)
    np.testing.assert_allclose(own, (features.astype(np.float64) @ centroids.T.astype(np.float64)).max(1), atol=1e-6)
    monkeypatch.setattr("cadc.selectors.shared.kmeans.PIECE", 300)
    assert all(
        np.array_equal(a, b) for a, b in zip((cluster, centroids), spherical_kmeans(features, 8, 5, 0, 20), strict=True)
    )
    np.testing.assert_array_equal(centroid_cosine(features, cluster, centroids), own)


def of_faiss(features, n_clusters, n_iterations, seed):
    """faiss's own, in one thread."""
    faiss.omp_set_num_threads(1)
    means = faiss.Kmeans(
        features.shape[1],
        n_clusters,
        niter=n_iterations,
        seed=seed,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=len(features),
    )
    means.train(features)
    return means.index.search(features, 1)[1][:, 0].astype(np.int32), means.centroids


@pytest.mark.parametrize(
    ("n", "width", "n_clusters", "n_iterations", "distinct"),
    [
        (3001, 37, 50, 9, 3001),
        (9000, 131, 77, 3, 9000),
        (700, 30, 400, 6, 100),  # most clusters lose all their points
        (700, 30, 699, 4, 700),
        (60, 8, 60, 3, 60),
        (400, 4, 9, 30, 50),  # it stops by itself
    ],
)
@pytest.mark.parametrize("n_threads", [1, 2])
def test_any_number_of_threads_gives_the_bytes_of_faiss_in_one(
    monkeypatch, n, width, n_clusters, n_iterations, distinct, n_threads
):
    monkeypatch.setattr("cadc.selectors.shared.kmeans.PIECE", 4096)
    monkeypatch.setattr("cadc.selectors.shared.kmeans._ROWS_AT_ONCE", 16)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        features = rng.standard_normal((n, width)).astype(np.float32)
        features[distinct:] = features[rng.integers(0, distinct, n - distinct)]
        made = spherical_kmeans(features, n_clusters, n_iterations, seed, n_threads=n_threads)
        for mine, theirs in zip(made, of_faiss(features, n_clusters, n_iterations, seed), strict=True):
            assert mine.dtype == theirs.dtype and np.array_equal(mine, theirs)
