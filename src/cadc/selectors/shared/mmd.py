"""Greedy minimisation of the squared maximum mean discrepancy (MMD) between a cluster and the rows picked from it.

As used by COINCIDE (Lee et al. 2024; algorithm of Kim et al. 2016, "Examples are not enough, learn to criticize"), but
without the s x s kernel: one column is computed per picked row.
"""

from __future__ import annotations

import numpy as np

GRID = 2.0**30  # kernels are multiples of 1 / GRID, so that sums up to 8 million are exact in any order
BLOCK = 2**24  # kernel entries at a time: 128 MiB


def rbf_kernel(a: np.ndarray, b: np.ndarray, gamma: float) -> np.ndarray:
    """exp(-|x - y|^2 / (2 gamma^2)) of the rows of a float64 [m, d] and b float64 [n, d]: float64 [m, n].

    Rounded to a grid of 1e-9, so that duplicates tie on every machine.
    """
    distance = np.einsum("md,md->m", a, a)[:, None] + np.einsum("nd,nd->n", b, b) - 2 * (a @ b.T)
    return np.rint(np.exp(-np.maximum(distance, 0) / (2 * gamma**2)) * GRID) / GRID


def kernel_sums(features: np.ndarray, gamma: float) -> np.ndarray:
    """Kernel of each row of a cluster summed over all its rows, itself included: features [s, d] -> float64 [s]."""
    features = np.asarray(features, np.float64)
    step = max(1, BLOCK // max(1, len(features)))
    sums = [rbf_kernel(features[at : at + step], features, gamma).sum(1) for at in range(0, len(features), step)]
    return np.concatenate([np.empty(0), *sums])


def greedy_mmd(features: np.ndarray, sums: np.ndarray, n: int, gamma: float) -> np.ndarray:
    """Positions of the `n` rows of a cluster that reduce MMD^2 most at each step, in that order: int64 [n].

    features float [s, d], sums float64 [s] = `kernel_sums`. With S the k rows picked so far, the next one minimises
    mean_{S + x, S + x} K - 2 mean_{S + x, all} K. The part that depends on x is (2 sum_S K(x, .) + 1) / (k + 1) - 2
    sums(x) / s, up to a constant factor. The first pick is the row of highest mean similarity. Ties are broken by
    position. The first n of a longer result are the result for n. Time n s d, memory s d.
    """
    features = np.asarray(features, np.float64)
    to_all = 2 * sums / len(sums)
    to_picked = np.zeros(len(sums))
    picked = np.empty(n, np.int64)
    for k in range(n):
        best = int(np.argmin((2 * to_picked + 1) / (k + 1) - to_all))
        picked[k] = best
        to_picked += rbf_kernel(features[best : best + 1], features, gamma)[0]
        to_picked[best] = np.inf
    return picked
