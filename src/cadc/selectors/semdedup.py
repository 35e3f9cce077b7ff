"""SemDeDup: keep one of each group of semantic duplicates (Abbas et al. 2023).

Reference code: facebookresearch/SemDeDup. There eps is tuned by hand, and excess rows are cut from the last clusters
(COINCIDE_code). Here eps follows from the budget, and the cut is even.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cadc.artifacts import Selection
from cadc.config.budgets import capped_shares
from cadc.config.section import Positive, Section, Seed
from cadc.selectors.shared.kmeans import centroid_cosine, members, spherical_kmeans
from cadc.selectors.shared.unit import unit_rows
from cadc.selectors.signal import Signal

TILE = 2048  # rows of a cluster compared at a time


class Params(Section):
    """k-means, the features that are compared, and which of several similar rows is kept."""

    clusters: Positive
    iterations: Positive
    seed: Seed
    points_per_cluster: Positive
    view: Literal["image", "text", "both"]
    keep: Literal["hard", "easy", "random"]


@dataclass(frozen=True)
class Measured:
    """Results shared by all budgets and seeds.

    order: rows of each cluster in order of preference. nearest float64 [n_rows]: a row's highest cosine with a row
    before it.
    """

    order: list[np.ndarray]
    nearest: np.ndarray


def compared_rows(image: np.ndarray, text: np.ndarray, view: str) -> np.ndarray:
    """The features to compare, as unit rows: float32 [n_rows, d], zero if a row has none in this view.

    `both` concatenates image and text; a row without an image then has only its text.
    """
    return unit_rows(np.concatenate([image, text], axis=1) if view == "both" else image if view == "image" else text)


def keeping_order(
    assignment: np.ndarray, n_clusters: int, cosine: np.ndarray, keep: str, rng: np.random.Generator
) -> list[np.ndarray]:
    """Rows of each cluster by distance to its centroid, or in `random` order.

    `hard`: farthest first (the paper); `easy`: nearest first. Ties are broken by row. cosine float [n_rows] with the
    centroid.
    """
    key = {"hard": cosine, "easy": -cosine, "random": rng.random(len(cosine))}[keep]
    return [rows[np.argsort(key[rows], kind="stable")] for rows in members(assignment, n_clusters)]


def nearest_in_front(features: np.ndarray) -> np.ndarray:
    """Highest cosine of each row of a cluster with a row before it: unit rows float [s, d] -> float64 [s].

    0 for the first row and if all are negative, as released. Rounded to 1e-6: duplicates then have cosine exactly 1, so
    that rounding errors do not decide between them. Time s^2 d, memory TILE^2 + s d.
    """
    nearest = np.zeros(len(features))
    for at in range(0, len(features), TILE):
        tile = features[at : at + TILE].astype(np.float64)
        for front in range(0, at + 1, TILE):
            cosine = tile @ features[front : front + TILE].astype(np.float64).T
            if front == at:
                cosine = np.tril(cosine, -1)
            np.maximum(nearest[at : at + TILE], cosine.max(1), out=nearest[at : at + TILE])
    return np.round(nearest, 6)


def within_budget(measured: Measured, n: int, rng: np.random.Generator) -> np.ndarray:
    """`n` rows: the rows that the largest possible eps leaves, with the surplus trimmed evenly (ours).

    An eps leaves the rows whose cosine with each row before them is at most 1 - eps. The largest eps that leaves at
    least `n` rows is used.

    The trimmed rows all have the cosine that would be removed next. Each cluster loses its last ones, in proportion to
    how many it has; `rng` decides which clusters lose the remainder.
    """
    if n == 0:
        return np.empty(0, np.int64)
    limit = np.partition(measured.nearest, n - 1)[n - 1]
    safe = np.flatnonzero(measured.nearest < limit)
    tied = [rows[measured.nearest[rows] == limit] for rows in measured.order]
    counts, lots = np.array([len(rows) for rows in tied]), rng.permutation(len(tied))
    shares = np.empty_like(counts)
    shares[lots] = capped_shares(counts[lots], counts[lots], n - len(safe))
    return np.concatenate([safe, *(rows[:share] for rows, share in zip(tied, shares, strict=True))])


def measure(signal: Signal, params: Params) -> Measured:
    """Cluster the pool by `image` and `text`, float32 [n_rows, width]: unit rows, zero if a row has none.

    A row without features in this view is similar to no other and is kept.
    """
    features = compared_rows(signal["image"], signal["text"], params.view)
    assignment, centroids = spherical_kmeans(
        features, params.clusters, params.iterations, params.seed, params.points_per_cluster
    )
    cosine = centroid_cosine(features, assignment, centroids)
    order = keeping_order(assignment, len(centroids), cosine, params.keep, np.random.default_rng(params.seed))
    nearest = np.zeros(len(features))
    for rows in order:
        nearest[rows] = nearest_in_front(features[rows])
    return Measured(order, nearest)


def select(measured: Measured, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` distinct rows in random order."""
    return Selection.of_rows(rng.permutation(within_budget(measured, n, rng)))


def scores(measured: Measured, params: Params) -> np.ndarray:
    """Minus the cosine with the most similar row before it: float64 [n_rows]. Ties are cut evenly over clusters."""
    return -measured.nearest
