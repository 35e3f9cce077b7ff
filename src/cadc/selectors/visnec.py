"""VisNec: rows whose answers depend most on the image, the same share from every question cluster.

arXiv 2603.01195; released code DMK041218/VisNec f0a4e9d. A row's visual necessity is the mean negative log-likelihood
of its answer without the image, minus that with it. Judging by its abstract, the paper differs from the code only in
the budgets of clusters (`variant`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.cluster import MiniBatchKMeans

from cadc.artifacts import Selection
from cadc.config.budgets import capped_shares
from cadc.config.section import Positive, Section, Seed
from cadc.selectors.shared.kmeans import members
from cadc.selectors.shared.text_only import with_text_rows
from cadc.selectors.signal import Signal

_BATCH = 2048  # batch size of k-means (released)


class Params(Section):
    """clusters: number of question clusters, by mini-batch k-means with `seed`. variant: `paper` uses largest
    remainders for the shares of clusters; `released` rounds down to at least one row and gives what is left to the rows
    of highest visual necessity (ours)."""

    clusters: Positive
    seed: Seed
    variant: Literal["paper", "released"]


@dataclass(frozen=True)
class Needs:
    """need float64 [n_rows]; rows: those with an image in each cluster, int64, highest need first; shows bool [n_rows]:
    whether a row has an image."""

    need: np.ndarray
    rows: list[np.ndarray]
    shows: np.ndarray


def clusters_of(questions: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """The cluster of each question, int [n], from embeddings float32 [n, d]."""
    kmeans = MiniBatchKMeans(min(n_clusters, len(questions)), random_state=seed, batch_size=_BATCH)
    return kmeans.fit_predict(questions)


def ranked(need: np.ndarray, cluster: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """Rows of each cluster, highest need first, ties broken by row. rows int64 [m], cluster int [m], need float64
    [n_rows]; NaN comes last."""
    order = [own[np.argsort(-need[rows[own]], kind="stable")] for own in members(cluster, int(cluster.max()) + 1)]
    return [rows[own] for own in order]


def released_counts(sizes: np.ndarray, ratio: float) -> np.ndarray:
    """As released: max(1, int(ratio * size)) rows from every non-empty cluster: int64 [n_clusters]."""
    return np.where(sizes > 0, np.maximum(1, (ratio * sizes).astype(np.int64)), 0)


def measure(signal: Signal, params: Params) -> Needs:
    """Signal: `nll_shown`, `nll_blind` float32 [n_rows], mean over answer tokens with and without the image, of the
    model before fine-tuning; `sentence` float32 [n_rows, d] of the questions; `shows` bool [n_rows]."""
    shows = np.asarray(signal["shows"], bool)
    need = np.asarray(signal["nll_blind"], np.float64) - np.asarray(signal["nll_shown"], np.float64)
    pictured = np.flatnonzero(shows)
    if not len(pictured):
        return Needs(need, [], shows)
    cluster = clusters_of(np.asarray(signal["sentence"], np.float32)[pictured], params.clusters, params.seed)
    return Needs(need, ranked(need, cluster, pictured), shows)


def select(needs: Needs, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` rows in random order: the highest visual necessity of each cluster. Rows without an image are
    drawn at random, in their share of the pool."""

    def choose(m: int) -> np.ndarray:
        sizes = np.array([len(rows) for rows in needs.rows], np.int64)
        if not m:
            return np.empty(0, np.int64)
        if params.variant == "paper":
            counts = capped_shares(sizes, sizes, m)
            return np.concatenate([rows[:k] for rows, k in zip(needs.rows, counts, strict=True)])
        counts = released_counts(sizes, m / sizes.sum())
        first = np.concatenate([rows[:k] for rows, k in zip(needs.rows, counts, strict=True)])
        others = np.setdiff1d(np.concatenate(needs.rows), first)
        by_need = [part[np.argsort(-needs.need[part], kind="stable")] for part in (np.sort(first), others)]
        return np.concatenate(by_need)[:m]

    return with_text_rows(needs.shows, n, rng, choose)


def scores(needs: Needs, params: Params) -> np.ndarray:
    """Visual necessity, which ranks rows within a cluster: float64 [n_rows]."""
    return needs.need
