"""Spherical k-means by faiss."""

from __future__ import annotations

import faiss
import numpy as np


def spherical_kmeans(features: np.ndarray, n_clusters: int, n_iterations: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cluster the rows of `features` float32 [n, d] by cosine.

    Returns assignment int32 [n] and unit centroids float32 [min(n_clusters, n), d]. One thread: the same clusters on
    every run.
    """
    features = np.ascontiguousarray(features, np.float32)
    n_clusters = min(n_clusters, len(features))
    faiss.omp_set_num_threads(1)
    means = faiss.Kmeans(
        features.shape[1], n_clusters, niter=n_iterations, seed=seed, spherical=True, verbose=False, min_points_per_centroid=1,
        max_points_per_centroid=len(features),
    )  # fmt: skip
    means.train(features)
    _, assignment = means.index.search(features, 1)
    return assignment[:, 0].astype(np.int32), means.centroids.astype(np.float32)
