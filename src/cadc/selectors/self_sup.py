"""Self-Sup: the most prototypical rows, those closest to the centroid of their cluster (Sorscher et al. 2022).

The paper keeps these when data are scarce, and the farthest rows when data are abundant. The baseline is the former.
"""

from __future__ import annotations

import numpy as np

from cadc.artifacts import Selection
from cadc.config.section import Positive, Section, Seed
from cadc.selectors.shared.band import rows_in_band
from cadc.selectors.shared.kmeans import centroid_cosine, spherical_kmeans
from cadc.selectors.shared.unit import unit_rows
from cadc.selectors.signal import Signal


class Params(Section):
    """k-means on unit rows."""

    clusters: Positive
    iterations: Positive
    seed: Seed
    points_per_cluster: Positive


def measure(signal: Signal, params: Params) -> np.ndarray:
    """Cosine of each row with its centroid, float64 [n_rows], from `hidden` float32 [n_rows, width]: mean over a row's
    tokens in the final layer."""
    hidden = unit_rows(signal["hidden"])
    assignment, centroids = spherical_kmeans(
        hidden, params.clusters, params.iterations, params.seed, params.points_per_cluster
    )
    return centroid_cosine(hidden, assignment, centroids)


def select(cosine: np.ndarray, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """The `n` rows closest to their centroid, ties broken by row, in random order."""
    return Selection.of_rows(rng.permutation(rows_in_band(cosine, n, "top")))


def scores(cosine: np.ndarray, params: Params) -> np.ndarray:
    """Cosine with the centroid: float64 [n_rows]."""
    return cosine
