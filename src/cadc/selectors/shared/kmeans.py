"""Spherical k-means by faiss, and what methods ask of its clusters."""

from __future__ import annotations

import faiss
import numpy as np

PIECE = 16384  # rows turned to floats at a time: features may be a float16 memory map larger than memory


def spherical_kmeans(
    features: np.ndarray, n_clusters: int, n_iterations: int, seed: int, max_points_per_centroid: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Cluster the rows of `features` float [n, d] by cosine.

    max_points_per_centroid: learn from so many rows a cluster, drawn by `seed`, where there are more (None: from all).
    Only what is learnt from is held in memory as float32; all other rows are read in pieces.

    Returns assignment int32 [n] and unit centroids float32 [min(n_clusters, n), d]. One thread: the same clusters on
    every run.
    """
    n_clusters = min(n_clusters, len(features))
    sampled = max_points_per_centroid is not None and n_clusters * max_points_per_centroid < len(features)
    if sampled:
        rows = np.random.default_rng(seed).choice(len(features), n_clusters * max_points_per_centroid, replace=False)
        learnt_from = np.ascontiguousarray(features[np.sort(rows)], np.float32)
    else:
        learnt_from = np.ascontiguousarray(features, np.float32)
    faiss.omp_set_num_threads(1)
    means = faiss.Kmeans(
        features.shape[1],
        n_clusters,
        niter=n_iterations,
        seed=seed,
        spherical=True,
        verbose=False,
        min_points_per_centroid=1,
        max_points_per_centroid=len(learnt_from),
    )
    means.train(learnt_from)
    if not sampled:
        _, assignment = means.index.search(learnt_from, 1)
        return assignment[:, 0].astype(np.int32), means.centroids.astype(np.float32)
    del learnt_from
    nearest = [
        means.index.search(np.ascontiguousarray(features[at : at + PIECE], np.float32), 1)[1]
        for at in range(0, len(features), PIECE)
    ]
    return np.concatenate(nearest)[:, 0].astype(np.int32), means.centroids.astype(np.float32)


def members(assignment: np.ndarray, n_clusters: int) -> list[np.ndarray]:
    """The rows of each cluster in pool order, int64; an empty array where a cluster has none."""
    order = np.argsort(assignment, kind="stable")
    return np.split(order, np.cumsum(np.bincount(assignment, minlength=n_clusters))[:-1])


def centroid_cosine(features: np.ndarray, assignment: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Inner product of each unit row of `features` float [n, d] with its own unit centroid: float64 [n]."""
    cosine = np.empty(len(features))
    for at in range(0, len(features), PIECE):
        rows = np.asarray(features[at : at + PIECE], np.float64)
        cosine[at : at + PIECE] = np.einsum("nd,nd->n", rows, centroids[assignment[at : at + PIECE]].astype(np.float64))
    return cosine
