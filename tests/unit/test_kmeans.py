"""Spherical k-means: every row is of its nearest centroid, whatever it learnt from."""

import numpy as np
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
