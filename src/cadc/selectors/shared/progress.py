"""PROGRESS before its first round: clusters that know no answer, the warm-up, and the plan by which training goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from cadc.artifacts import Selection
from cadc.config.section import Positive, Rate, Seed, Share
from cadc.selectors.shared.kmeans import spherical_kmeans
from cadc.selectors.shared.transfer_density import Measured, scored, spread
from cadc.selectors.signal import Signal
from cadc.training.adaptive import Plan


class Progress(Plan):
    """The schedule's parameters and those of its clusters and warm-up; see params.yaml for each value's source.

    clusters: whose progress is tracked. warm_up: share of the budget. warm_up_clusters, neighbor_threshold, gamma and warm_up_temperature:
    of COINCIDE's rule, by which the warm-up is chosen.
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
    """Both clusterings of the pool: `fine` scored for the warm-up, `tracked` int32 [n_rows] for the rounds."""

    fine: Measured
    tracked: np.ndarray


def measure(signal: Signal, params: Progress) -> Clustered:
    """Cluster rows by `image` float32 [n_rows, a] and `sentence` float32 [n_rows, b], unit rows (zero without an image), side by side.

    Neither knows an answer. A cluster's transferability is told by its questions, the `sentence` half of its centroid.
    """
    width = signal["image"].shape[1]
    features = np.concatenate([signal["image"], signal["sentence"]], axis=1)
    fine, centroids = spherical_kmeans(
        features, params.warm_up_clusters, params.iterations, params.seed, params.points_per_cluster
    )
    tracked, _ = spherical_kmeans(features, params.clusters, params.iterations, params.seed, params.points_per_cluster)
    measured = scored(
        features, fine, centroids[:, width:], params.gamma * np.sqrt(2), params.neighbor_threshold
    )  # rows with an image have length sqrt(2)
    return Clustered(measured, tracked)


def select(clustered: Clustered, n: int, params: Progress, rng: np.random.Generator) -> Selection:
    """The warm-up of a budget of `n` rows, in random order; what follows is chosen while the model learns."""
    return Selection.of_rows(
        rng.permutation(spread(clustered.fine, round(params.warm_up * n), params.warm_up_temperature, "paper"))
    )


def plan(clustered: Clustered, params: Progress) -> tuple[Plan, np.ndarray]:
    """The plan of the rounds, and the clusters they track: int32 [n_rows]."""
    return Plan(**{name: getattr(params, name) for name in Plan.model_fields}), clustered.tracked
