"""Which number of capabilities? The partition that other draws of the probe rows would have given too (ours)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from sklearn.metrics import adjusted_rand_score

from cadc.capabilities.graph import capabilities


@dataclass(frozen=True)
class Consensus:
    """What one resolution gives: the partition of all probe rows int32 [S], those of the bootstrap draws int32 [B, S],
    their mean pairwise adjusted Rand index, and how often two subtasks fall together float64 [S, S]."""

    resolution: float
    partition: np.ndarray
    draws: np.ndarray
    agreement: float
    together: np.ndarray

    @property
    def n_capabilities(self) -> int:
        return int(self.partition.max()) + 1


def drawn_gram(row_gram: np.ndarray, subtask: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """Gram matrices float64 [M, S, S] of subtask means, each over its rows drawn with replacement (all of them without `rng`).

    row_gram float32 [M, n, n] are the inner products of the probe rows' directions, subtask [n] says whose they are.
    """
    n_subtasks = int(subtask.max()) + 1
    weights = np.zeros((n_subtasks, len(subtask)))
    for s in range(n_subtasks):
        rows = np.flatnonzero(subtask == s)
        np.add.at(weights[s], rows if rng is None else rng.choice(rows, len(rows)), 1 / len(rows))
    return np.stack([weights @ products.astype(np.float64) @ weights.T for products in row_gram])


def consensus(
    row_gram: np.ndarray, subtask: np.ndarray, rates: np.ndarray, center: bool, tau: float, resolutions: list[float], level: int, n_draws: int, seed: int
) -> list[Consensus]:
    """The consensus at every resolution, over `n_draws` bootstrap draws of the probe rows (the same for all)."""
    whole = drawn_gram(row_gram, subtask, None)
    draws = [drawn_gram(row_gram, subtask, np.random.default_rng([seed, b])) for b in range(n_draws)]
    made = []
    for resolution in resolutions:
        partitions = np.stack([capabilities(gram, rates, center, tau, resolution, level, seed) for gram in draws])
        agreement = np.mean([adjusted_rand_score(a, b) for a, b in combinations(partitions, 2)]) if n_draws > 1 else 1.0
        together = (partitions[:, :, None] == partitions[:, None]).mean(0)
        made.append(Consensus(resolution, capabilities(whole, rates, center, tau, resolution, level, seed), partitions, float(agreement), together))
    return made


def most_stable(candidates: list[Consensus]) -> Consensus:
    """The candidate whose draws agree best among those that part the subtasks at all; ties by order. All alike if none does."""
    parting = [c for c in candidates if 1 < c.n_capabilities < len(c.partition)]
    return max(parting or candidates, key=lambda c: c.agreement)
