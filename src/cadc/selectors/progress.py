"""PROGRESS: rows from the clusters that improve fastest during training.

Chandhok et al. 2025, arXiv 2506.01085. This file does what precedes the first round: clusters built without answers,
the warm-up, and the plan of the rounds. `cadc.training.adaptive` runs the rounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from cadc.artifacts import Selection
from cadc.config.plan import Plan
from cadc.config.section import Positive, Rate, Seed, Share
from cadc.selectors.shared.kmeans import spherical_kmeans
from cadc.selectors.shared.transfer_density import Measured, scored, spread
from cadc.selectors.signal import Signal


class Params(Plan):
    """The plan of the rounds (see `Plan`), and the parameters of its clusters and warm-up.

    objective: `loss` or `accuracy`, the measure of a cluster's improvement.
    clusters: number of tracked clusters. iterations, seed, points_per_cluster: of both k-means.
    warm_up: share of the budget selected before training, by COINCIDE's rule on `warm_up_clusters` clusters;
    warm_up_temperature, neighbor_threshold, gamma: of that rule.
    """

    clusters: Positive
    warm_up: Share
    warm_up_clusters: Positive
    iterations: Positive
    seed: Seed
    points_per_cluster: Positive
    warm_up_temperature: Rate
    neighbor_threshold: Annotated[float, Field(gt=0, le=1)]
    gamma: Rate


@dataclass(frozen=True)
class Clustered:
    """Both clusterings of the pool: `fine` with scores for the warm-up; `tracked` int32 [n_rows] for the rounds."""

    fine: Measured
    tracked: np.ndarray


def measure(signal: Signal, params: Params) -> Clustered:
    """Cluster the pool by image and question features, concatenated, without answers.

    Signal: `image` float32 [n_rows, a], `sentence` float32 [n_rows, b], unit rows (zero without an image). A cluster's
    transferability uses the `sentence` half of its centroid (the questions); the released code uses the whole centroid.
    """
    width = signal["image"].shape[1]
    features = np.concatenate([signal["image"], signal["sentence"]], axis=1)
    fine, centroids = spherical_kmeans(
        features, params.warm_up_clusters, params.iterations, params.seed, params.points_per_cluster
    )
    tracked, _ = spherical_kmeans(features, params.clusters, params.iterations, params.seed, params.points_per_cluster)
    gamma = params.gamma * np.sqrt(2)  # a row with an image has length sqrt(2)
    telling = centroids if params.variant == "released" else centroids[:, width:]
    return Clustered(scored(features, fine, telling, gamma, params.neighbor_threshold), tracked)


def select(clustered: Clustered, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """The warm-up for a budget of `n` rows, in random order. The other rows are selected during training."""
    warm_up = spread(clustered.fine, round(params.warm_up * n), params.warm_up_temperature, params.variant)
    return Selection.of_rows(rng.permutation(warm_up))


def plan(clustered: Clustered, params: Params) -> tuple[Plan, np.ndarray]:
    """The plan of the rounds, and the clusters that they track: int32 [n_rows]."""
    return Plan(**{name: getattr(params, name) for name in Plan.model_fields}), clustered.tracked
