"""Purity of clusters in a label, by the features that rows are compared by (PROGRESS, Fig. 3)."""

from __future__ import annotations

import numpy as np

_SHUFFLES = 20


def purity(cluster: np.ndarray, label: np.ndarray) -> float:
    """Share of rows that have the most common label of their cluster; cluster int [n], label [n]."""
    names, index = np.unique(label, return_inverse=True)
    counts = np.zeros((int(cluster.max()) + 1, len(names)), np.int64)
    np.add.at(counts, (cluster, index), 1)
    return float(counts.max(1).sum() / len(label))


def chance(cluster: np.ndarray, label: np.ndarray, seed: int = 0) -> float:
    """Purity of shuffled labels, mean of 20 shuffles: small clusters are pure by chance."""
    rng = np.random.default_rng(seed)
    return float(np.mean([purity(cluster, rng.permutation(label)) for _ in range(_SHUFFLES)]))
