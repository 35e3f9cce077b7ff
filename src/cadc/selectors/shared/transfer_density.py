"""COINCIDE's rule (Lee et al. 2024): a cluster gives more rows the better it transfers and the sparser it is.

The variants differ only in how shares become whole rows. `paper` keeps all shares proportional, with largest
remainders. `released` rounds one cluster after another, as G-JWLee/COINCIDE_code does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cadc.config.budgets import capped_shares, largest_remainder
from cadc.selectors.shared.kmeans import members
from cadc.selectors.shared.mmd import greedy_mmd, kernel_sums

BLOCK = 2**24  # cosines of centroids per block: 64 MiB


@dataclass(frozen=True)
class Measured:
    """The pool's clusters, shared by all budgets and seeds.

    features float [n_rows, d]. rows: those of each cluster in pool order, none empty. score float64 [n_clusters]:
    transferability / density. sums: `kernel_sums` of each cluster. gamma: width of the kernel on `features`.
    """

    features: np.ndarray
    rows: list[np.ndarray]
    score: np.ndarray
    sums: list[np.ndarray]
    gamma: float


def transferability(language: np.ndarray, threshold: float) -> np.ndarray:
    """Mean cosine of a cluster's language half to those of the other clusters: float64 [n_clusters].

    language float [n_clusters, width]: the part of each centroid that represents the question. Pairs of clusters with a
    cosine above `threshold` are near-duplicates and left out; the result is 0 if none is left (ours: the released code
    divides by zero). The cosine with a zero centroid is 0.
    """
    language = language / np.maximum(np.linalg.norm(language, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    mean = np.zeros(len(language))
    step = max(1, BLOCK // len(language))
    for at in range(0, len(language), step):
        cosine = language[at : at + step] @ language.T
        other = cosine <= threshold
        other[np.arange(len(cosine)), np.arange(at, at + len(cosine))] = False
        mean[at : at + step] = np.where(other, cosine, 0).sum(1, dtype=np.float64) / np.maximum(other.sum(1), 1)
    return mean


def densities(sums: list[np.ndarray]) -> np.ndarray:
    """Mean kernel over all pairs of a cluster's rows, self-pairs included: float64 [n_clusters].

    sums: `kernel_sums` of each cluster.
    """
    return np.array([s.sum() / len(s) ** 2 for s in sums])


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log of the softmax: float64, finite for any finite logits."""
    shifted = logits - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


def visit_order(score: np.ndarray) -> np.ndarray:
    """Clusters by share, largest first, ties broken by number: int64 [n_clusters]."""
    return np.argsort(-score, kind="stable")


def released_shares(score: np.ndarray, sizes: np.ndarray, n: int, temperature: float) -> np.ndarray:
    """As released: from the largest share on, each cluster takes round(rest * its share among those not yet visited).

    A smaller cluster gives all its rows, and the shortfall goes to the following ones. A shortfall of the last cluster
    stays open, so the sum may be below `n`.
    """
    order = visit_order(score)
    logits = score[order] / temperature
    share = np.exp(logits - np.logaddexp.accumulate(logits[::-1])[::-1])
    shares = np.zeros(len(sizes), np.int64)
    left = n
    for cluster, part in zip(order, share, strict=True):
        shares[cluster] = min(round(left * float(part)), int(sizes[cluster]))
        left -= shares[cluster]
    return shares


def cluster_shares(score: np.ndarray, sizes: np.ndarray, n: int, temperature: float, variant: str) -> np.ndarray:
    """Rows to take from each cluster, by softmax(score / temperature): int64 [n_clusters], at most `sizes`, sum `n`.

    score float64, sizes int64 [n_clusters]. `paper`: clusters smaller than their share are taken whole and the rest is
    shared among the others again, until none is too small; then largest remainders. `released`: see `released_shares`;
    what it leaves open goes to clusters with rows left, by their share (ours). Raises ValueError if there are fewer
    than `n` rows.
    """
    if n > sizes.sum():
        raise ValueError(f"a budget of {n} rows exceeds the {sizes.sum()} rows in clusters")
    if variant == "released":
        shares = released_shares(score, sizes, n, temperature)
        return shares + capped_shares(np.exp(log_softmax(score / temperature)), sizes - shares, n - int(shares.sum()))
    shares = np.zeros(len(sizes), np.int64)
    open_ = np.flatnonzero(sizes > 0)
    while (left := n - int(shares.sum())) > 0:
        share = np.exp(log_softmax(score[open_] / temperature))
        full = share * left >= sizes[open_]
        if not full.any():
            shares[open_] = largest_remainder(share, left)
            break
        shares[open_[full]] = sizes[open_[full]]
        open_ = open_[~full]
    return shares


def pick(measured: Measured, shares: np.ndarray) -> list[np.ndarray]:
    """The rows of each cluster, as many as its share, in picking order.

    A cluster that is taken whole is in pool order; greedy MMD^2 picks from the others.
    """
    chosen = []
    for rows, sums, share in zip(measured.rows, measured.sums, shares, strict=True):
        if 0 < share < len(rows):
            rows = rows[greedy_mmd(measured.features[rows], sums, int(share), measured.gamma)]
        chosen.append(rows[:share])
    return chosen


def scored(
    features: np.ndarray, assignment: np.ndarray, language: np.ndarray, gamma: float, threshold: float
) -> Measured:
    """Score the clusters of `features` float [n_rows, d] by transferability / density.

    assignment int [n_rows]; language float [n_clusters, width]: the language half of each centroid. Empty clusters are
    ignored, also for the transferability of others (ours).
    """
    rows = members(assignment, len(language))
    some = [c for c in range(len(rows)) if len(rows[c])]
    rows = [rows[c] for c in some]
    sums = [kernel_sums(features[r], gamma) for r in rows]
    return Measured(features, rows, transferability(language[some], threshold) / densities(sums), sums, gamma)


def spread(measured: Measured, n: int, temperature: float, variant: str) -> np.ndarray:
    """`n` rows by the complete rule, cluster after cluster: int64 [n]."""
    sizes = np.array([len(rows) for rows in measured.rows])
    return np.concatenate(pick(measured, cluster_shares(measured.score, sizes, n, temperature, variant)))
