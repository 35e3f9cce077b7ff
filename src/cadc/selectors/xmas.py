"""XMAS: rows whose cross-modal attention changes little while a proxy trains, spread over clusters of trajectories.

arXiv 2510.01454; released code BigML-CS-UCLA/XMAS c3e95c8. A row's trajectory is the sum of the largest singular values
of its text-to-image attention at every snapshot of the proxy. Rows are clustered by trajectory, and the rows with the
smallest changes are taken from each cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import faiss
import numpy as np

from cadc.artifacts import Selection
from cadc.config.budgets import capped_shares
from cadc.config.section import Positive, Section, Seed
from cadc.selectors.shared.kmeans import members
from cadc.selectors.shared.text_only import with_text_rows
from cadc.selectors.signal import Signal

TOP = 5  # singular values (XMAS)
_TOO_SMALL = 2  # clusters of at most this size are left out (released)


class Params(Section):
    """clusters: number of trajectory clusters, by Euclidean k-means with `seed` on at most `points_per_cluster` rows
    per cluster. variant: `paper` uses equal shares as far as clusters have rows; `released` leaves out clusters of up
    to two rows, rounds shares down from the smallest cluster on, and fills up with the most stable remaining rows
    (ours)."""

    clusters: Positive
    iterations: Positive
    seed: Seed
    points_per_cluster: Positive
    variant: Literal["paper", "released"]


@dataclass(frozen=True)
class Trajectories:
    """instability float64 [n_rows]; rows: those with an image in each cluster, int64, most stable first; shows bool
    [n_rows]."""

    instability: np.ndarray
    rows: list[np.ndarray]
    shows: np.ndarray


def trajectories(singular: np.ndarray) -> np.ndarray:
    """Sum of the TOP largest singular values: [n_snapshots, n, k] in any order -> float32 [n, n_snapshots]."""
    largest = np.sort(np.asarray(singular, np.float32), axis=2)[:, :, -TOP:]
    return np.ascontiguousarray(largest.sum(2, dtype=np.float32).T)


def instabilities(trajectory: np.ndarray) -> np.ndarray:
    """Sum of absolute changes between snapshots: float64 [n], from [n, n_snapshots]."""
    return np.abs(np.diff(np.asarray(trajectory, np.float64), axis=1)).sum(1)


def clusters_of(trajectory: np.ndarray, n_clusters: int, iterations: int, seed: int, points: int) -> np.ndarray:
    """The Euclidean cluster of each trajectory, int64 [n], by single-threaded faiss."""
    faiss.omp_set_num_threads(1)
    kmeans = faiss.Kmeans(
        trajectory.shape[1],
        min(n_clusters, len(trajectory)),
        niter=iterations,
        seed=seed,
        max_points_per_centroid=points,
        min_points_per_centroid=1,
    )
    kmeans.train(trajectory)
    return kmeans.index.search(trajectory, 1)[1][:, 0]


def ranked(instability: np.ndarray, cluster: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """Rows of each cluster, most stable first, ties broken by row, NaN last. rows int64 [m], cluster int [m]."""
    found = members(cluster, int(cluster.max()) + 1)
    return [rows[own[np.argsort(instability[rows[own]], kind="stable")]] for own in found]


def released_counts(sizes: np.ndarray, n: int) -> np.ndarray:
    """As released: from the smallest cluster of more than two rows on (ties by number), an equal share of what is left,
    rounded down: int64 [n_clusters]."""
    counts, left = np.zeros(len(sizes), np.int64), n
    order = [c for c in np.argsort(sizes, kind="stable") if sizes[c] > _TOO_SMALL]
    for j, c in enumerate(order):
        counts[c] = min(left // (len(order) - j), sizes[c])
        left -= counts[c]
    return counts


def measure(signal: Signal, params: Params) -> Trajectories:
    """Signal: `singular` float32 [n_snapshots, n_rows, TOP]; `shows` bool [n_rows]."""
    shows = np.asarray(signal["shows"], bool)
    pictured, instability = np.flatnonzero(shows), np.zeros(signal.n_rows)
    if not len(pictured):
        return Trajectories(instability, [], shows)
    made = trajectories(signal["singular"][:, pictured])
    instability[pictured] = instabilities(made)
    cluster = clusters_of(made, params.clusters, params.iterations, params.seed, params.points_per_cluster)
    return Trajectories(instability, ranked(instability, cluster, pictured), shows)


def select(made: Trajectories, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` rows in random order: the most stable of every cluster.

    Rows without an image are drawn at random, in their share of the pool.
    """

    def choose(m: int) -> np.ndarray:
        if not m:
            return np.empty(0, np.int64)
        sizes = np.array([len(rows) for rows in made.rows])
        paper = params.variant == "paper"
        counts = capped_shares(np.ones(len(sizes)), sizes, m) if paper else released_counts(sizes, m)
        first = np.concatenate([rows[:k] for rows, k in zip(made.rows, counts, strict=True)])
        others = np.setdiff1d(np.concatenate(made.rows), first)
        steady = others[np.argsort(made.instability[others], kind="stable")]
        return np.concatenate([first, steady[: m - len(first)]])

    return with_text_rows(made.shows, n, rng, choose)


def scores(made: Trajectories, params: Params) -> np.ndarray:
    """Minus the instability, which ranks rows within a cluster: float64 [n_rows]."""
    return -made.instability
