"""Spherical k-means with faiss, and functions on its clusters."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np

from cadc.compute.launch import n_cores

PIECE = 16384  # rows converted to float32 at a time (features may be memory-mapped); a multiple of faiss's 4096
_ROWS_AT_ONCE = 4096
_APART = 1 / 1024


def spherical_kmeans(
    features: np.ndarray,
    n_clusters: int,
    n_iterations: int,
    seed: int,
    max_points_per_centroid: int | None = None,
    n_threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Cluster the rows of `features` float [n, d] by cosine.

    max_points_per_centroid: train on at most this many rows per cluster, drawn with `seed` (None: on all). Only the
    training rows are held in memory as float32; other rows are read in pieces. n_threads: None uses one per available
    core.

    Returns assignment int32 [n] and unit centroids float32 [min(n_clusters, n), d]. They are identical, byte for byte,
    to those of single-threaded `faiss.Kmeans`, whatever the number of threads.
    """
    n_clusters = min(n_clusters, len(features))
    most = len(features) if max_points_per_centroid is None else n_clusters * max_points_per_centroid
    sampled = most < len(features)
    if sampled:
        rows = np.random.default_rng(seed).choice(len(features), most, replace=False)
        learnt_from = np.ascontiguousarray(features[np.sort(rows)], np.float32)
    else:
        learnt_from = np.ascontiguousarray(features, np.float32)
    with ThreadPoolExecutor(n_threads or n_cores(), initializer=faiss.omp_set_num_threads, initargs=(1,)) as pool:
        centroids = _learn(learnt_from, n_clusters, n_iterations, seed, pool)
        nearest, _ = _nearest(features if sampled else learnt_from, centroids, pool)
    return nearest.astype(np.int32), centroids


def _learn(points: np.ndarray, n_clusters: int, n_iterations: int, seed: int, pool: ThreadPoolExecutor) -> np.ndarray:
    """faiss's Clustering::train with a flat inner-product index: centroids float32 [n_clusters, d].

    faiss itself runs one matrix product at a time, whatever its number of threads. Here the pieces into which faiss
    splits the product run in parallel, and each cluster is summed in the order of its points, so that no summation
    order changes.
    """
    n = len(points)
    if n == n_clusters:
        return points.copy()
    order = np.empty(n, np.int32)
    faiss.rand_perm(faiss.swig_ptr(order), n, seed + 1)  # type: ignore[attr-defined]  # its stubs lack it
    centroids = points[order[:n_clusters]].copy()
    faiss.normalize_L2(centroids)
    before = None
    for _ in range(n_iterations):
        nearest, products = _nearest(points, centroids, pool)
        found = members(nearest, n_clusters)
        for c, mean in enumerate(pool.map(lambda rows: _mean(points, rows), found)):
            centroids[c] = mean
        _split(centroids, np.array([len(rows) for rows in found], np.float32), n)
        faiss.normalize_L2(centroids)
        objective = np.cumsum(products, dtype=np.float32)[-1]  # sequential sum
        if objective == before:
            break
        before = objective
    return centroids


def _nearest(points: np.ndarray, centroids: np.ndarray, pool: ThreadPoolExecutor) -> tuple[np.ndarray, np.ndarray]:
    """The centroid with the largest inner product for each of `points`, and that product: int64, float32 [n]."""
    index = faiss.IndexFlatIP(centroids.shape[1])
    index.add(centroids)

    def piece(start: int) -> tuple[np.ndarray, np.ndarray]:
        return index.search(np.ascontiguousarray(points[start : start + PIECE], np.float32), 1)

    products, nearest = zip(*pool.map(piece, range(0, len(points), PIECE)), strict=True)
    return np.concatenate(nearest)[:, 0], np.concatenate(products)[:, 0]


def _mean(points: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Mean of these rows as faiss computes it, summed sequentially in float32; zero without rows."""
    if not len(rows):
        return np.zeros(points.shape[1], np.float32)
    total = points[rows[0]]
    for start in range(1, len(rows), _ROWS_AT_ONCE):
        total = np.add.reduce(np.vstack([total, points[rows[start : start + _ROWS_AT_ONCE]]]), axis=0)
    return total * np.float32(1 / np.float32(len(rows)))


def _split(centroids: np.ndarray, sizes: np.ndarray, n: int) -> None:
    """Give every empty cluster half of another one, in place, as faiss does (Clustering.cpp, split_clusters).

    The other cluster is drawn with probability by size; both centroids are perturbed slightly.
    """
    draws = np.random.MT19937()
    draws._legacy_seeding(1234)
    apart = np.where(np.arange(centroids.shape[1]) % 2, -_APART, _APART).astype(np.float32)
    for empty in np.flatnonzero(sizes == 0):
        other = 0
        while True:
            drawn = np.float32(draws.random_raw()) / np.float32(2**32 - 1)
            if drawn < np.float32((float(sizes[other]) - 1.0) / float(np.float32(n - len(sizes)))):  # in doubles
                break
            other = (other + 1) % len(sizes)
        centroids[empty] = centroids[other] * (1 + apart)
        centroids[other] *= 1 - apart
        sizes[empty] = sizes[other] / 2
        sizes[other] -= sizes[empty]


def members(assignment: np.ndarray, n_clusters: int) -> list[np.ndarray]:
    """The rows of each cluster in pool order, int64; empty arrays for empty clusters."""
    order = np.argsort(assignment, kind="stable")
    return np.split(order, np.cumsum(np.bincount(assignment, minlength=n_clusters))[:-1])


def centroid_cosine(features: np.ndarray, assignment: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Inner product of each unit row of `features` float [n, d] with its own unit centroid: float64 [n]."""
    cosine = np.empty(len(features))
    for at in range(0, len(features), PIECE):
        rows = np.asarray(features[at : at + PIECE], np.float64)
        cosine[at : at + PIECE] = np.einsum("nd,nd->n", rows, centroids[assignment[at : at + PIECE]].astype(np.float64))
    return cosine
