"""COINCIDE: rows from clusters of a reference model's activations, more from clusters that transfer and are sparse.

Lee et al. 2024. Reference code: G-JWLee/COINCIDE_code. `shared/transfer_density.py` implements its rule in two
variants.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from cadc.artifacts import Selection
from cadc.config.section import Positive, Rate, Section, Seed
from cadc.selectors.shared.kmeans import spherical_kmeans
from cadc.selectors.shared.transfer_density import Measured, scored, spread
from cadc.selectors.signal import Signal


class Params(Section):
    """k-means, the share rule and the kernel. conf/methods.yaml gives the source of each value."""

    clusters: Positive
    iterations: Positive
    seed: Seed
    points_per_cluster: Positive
    temperature: Rate
    neighbor_threshold: Annotated[float, Field(gt=0, le=1)]
    gamma: Rate
    variant: Literal["paper", "released"]


def describe(
    features: np.ndarray, assignment: np.ndarray, centroids: np.ndarray, n_layers: int, params: Params
) -> Measured:
    """Score the clusters of `features` float [n_rows, n_layers * 2 * width], given their assignment and centroids.

    Each layer has first the visual, then the language half. The released code divides rows by sqrt(n_layers * 2), so
    that rows with an image have unit length; a kernel wider by that factor is equivalent.
    """
    language = centroids.reshape(len(centroids), n_layers, 2, -1)[:, :, 1].reshape(len(centroids), -1)
    return scored(features, assignment, language, params.gamma * np.sqrt(2 * n_layers), params.neighbor_threshold)


def measure(signal: Signal, params: Params) -> Measured:
    """Cluster the pool by `activations` float16 [n_rows, n_layers, 2, width], and score the clusters.

    Axis 2: means over visual and over text tokens of a layer's attention output projections, after tanh and scaled to
    unit length; zero if a row has no image.
    """
    n_rows, n_layers = signal["activations"].shape[:2]
    features = signal["activations"].reshape(n_rows, -1)
    assignment, centroids = spherical_kmeans(
        features, params.clusters, params.iterations, params.seed, params.points_per_cluster
    )
    return describe(features, assignment, centroids, n_layers, params)


def select(measured: Measured, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` distinct rows in random order."""
    return Selection.of_rows(rng.permutation(spread(measured, n, params.temperature, params.variant)))
