"""PreSel: typical rows of each image cluster, more from tasks whose questions help the answer.

arXiv 2503.07591; released code bardisafa/PreSel 2dd6709. A model fine-tuned on a few reference rows tells how much more
likely an answer is with the question than without it; tasks where the gain is large get larger budgets. Within a task,
budgets go to image clusters, and within a cluster to the rows most similar to their neighbours. Its scores only need
the answers of the reference rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.cluster import KMeans

from cadc.artifacts import Selection
from cadc.config.budgets import capped_shares
from cadc.config.section import Fraction, Positive, Section, Seed
from cadc.selectors.shared.kmeans import members
from cadc.selectors.shared.text_only import with_text_rows
from cadc.selectors.shared.unit import unit_rows
from cadc.selectors.signal import Signal


class Params(Section):
    """clusters: number of image clusters of a task, as a share of its rows, by k-means with `seed`. neighbors: number
    of free rows of its cluster that a row is compared with. variant: `paper` uses largest remainders and passes on what
    a task can't fill; `released` uses LLaVA-665K's rule (see `released_budgets`) and fills open places at random."""

    clusters: Fraction
    neighbors: Positive
    seed: Seed
    variant: Literal["paper", "released"]


@dataclass(frozen=True)
class Tasks:
    """importance float64 [n_tasks]; task int64 [n_rows], -1 for a row without an image; cluster int64 [n_rows],
    numbered within a row's task; reference int64 [m]; typicality float64 [n_rows], NaN for reference rows and for rows
    without neighbours; shows bool [n_rows]."""

    importance: np.ndarray
    task: np.ndarray
    cluster: np.ndarray
    reference: np.ndarray
    typicality: np.ndarray
    shows: np.ndarray


def task_importance(ratio: np.ndarray, task: np.ndarray, n_tasks: int) -> np.ndarray:
    """Mean over a task's reference rows of loss with the question / loss without it: float64 [n_tasks]; low values mean
    that the question helps. A task without reference rows gets the mean of the others (ours; released: an error)."""
    counts = np.bincount(task, minlength=n_tasks)
    sums = np.bincount(task, np.asarray(ratio, np.float64), minlength=n_tasks)
    known = counts > 0
    means = sums[known] / counts[known]
    return np.where(
        known, np.divide(sums, counts, out=np.zeros(n_tasks), where=known), means.mean() if known.any() else 0
    )


def task_weights(importance: np.ndarray, temperature: float | None = None) -> np.ndarray:
    """softmax(-importance / temperature), float64 [n_tasks]; default temperature: 1 / sqrt(n_tasks)."""
    temperature = 1 / np.sqrt(len(importance)) if temperature is None else temperature
    logits = -importance / temperature
    shares = np.exp(logits - logits.max())
    return shares / shares.sum()


def released_budgets(weights: np.ndarray, total: int) -> np.ndarray:
    """The rule released for LLaVA-665K: round down, and give the rest to the largest share: int64 [n_tasks]."""
    counts = (weights * total).astype(np.int64)
    counts[np.argmax(weights)] += total - counts.sum()
    return counts


def vision_flan_budgets(weights: np.ndarray, sizes: np.ndarray, total: int) -> np.ndarray:
    """The rule released for Vision-Flan: round down, then add one by falling fraction up to a task's size; any excess
    over a size is handed out one by one, tasks in turn: int64 [n_tasks]."""
    total = min(total, int(sizes.sum()))
    exact = weights * total
    counts = exact.astype(np.int64)
    left = total - int(counts.sum())
    for k in np.argsort(-(exact - counts), kind="stable"):
        if not left:
            break
        if counts[k] < sizes[k]:
            counts[k] += 1
            left -= 1
    left += int(np.maximum(counts - sizes, 0).sum())
    counts = np.minimum(counts, sizes)
    while left:
        for k in np.flatnonzero(counts < sizes)[:left]:
            counts[k] += 1
            left -= 1
    return counts


def cluster_counts(free: np.ndarray, sizes: np.ndarray, n: int) -> np.ndarray:
    """Rows of each cluster of a task, as released: proportional to its free rows, rounded half to even. If these are
    too few, one more each from the largest cluster on; if too many, one less each from the smallest on. int64
    [n_clusters].

    free, sizes int [n_clusters]: rows that may be taken, and all rows. What one sweep leaves open stays open.
    """
    if not free.sum():
        return np.zeros(len(free), np.int64)
    counts = np.minimum(np.round(free / free.sum() * n).astype(np.int64), free)
    if counts.sum() < n:
        for c in np.argsort(-sizes, kind="stable"):
            if counts.sum() < n and counts[c] < free[c]:
                counts[c] += 1
    else:
        for c in np.argsort(sizes, kind="stable"):
            if counts.sum() > n and counts[c] > 0:
                counts[c] -= 1
    return counts


def typicality(features: np.ndarray, cluster: np.ndarray, free: np.ndarray, neighbors: int) -> np.ndarray:
    """Mean cosine of each free row with its `neighbors` nearest free rows in the cluster: float64 [n]; NaN for rows
    that are not free or have no neighbour.

    features float32 [n, d]; cluster int [n]; free bool [n].
    """
    unit, out = unit_rows(features), np.full(len(features), np.nan)
    for rows in members(cluster, int(cluster.max()) + 1):
        rows = rows[free[rows]]
        if len(rows) < 2:
            continue
        own = unit[rows].astype(np.float64)
        cosine = own @ own.T
        np.fill_diagonal(cosine, -np.inf)
        k = min(neighbors, len(rows) - 1)
        out[rows] = np.sort(cosine, axis=1)[:, -k:].mean(1)
    return out


def typical_rows(typical: np.ndarray, cluster: np.ndarray, free: np.ndarray, n: int) -> np.ndarray:
    """Up to `n` free rows of one task, the most typical of each cluster, ties broken by row: int64."""
    found = members(cluster, int(cluster.max()) + 1)
    rows = [own[free[own]] for own in found]
    counts = cluster_counts(np.array([len(own) for own in rows]), np.array([len(own) for own in found]), n)
    order = [own[np.argsort(-np.nan_to_num(typical[own], nan=np.inf), kind="stable")] for own in rows]
    return np.concatenate([own[:k] for own, k in zip(order, counts, strict=True)]).astype(np.int64)


def clusters_of(features: np.ndarray, task: np.ndarray, share: float, seed: int) -> np.ndarray:
    """The cluster of each row within its task, int64 [n], by k-means on unit rows: max(1, int(share * size)) clusters
    per task, as released. features float32 [n, d]."""
    unit, out = unit_rows(features), np.zeros(len(features), np.int64)
    for rows in members(task, int(task.max()) + 1):
        k = max(1, int(share * len(rows)))
        if k > 1:
            out[rows] = KMeans(k, random_state=seed, n_init="auto").fit_predict(unit[rows])
    return out


def measure(signal: Signal, params: Params) -> Tasks:
    """Signal: `ratio` float32 [n_rows], loss with the question / loss without it for the reference rows, 0 for all
    others; `image` float32 [n_rows, d]; `shows` bool [n_rows]. A task is a row's source; sources without
    images are no tasks, as in the authors' data."""
    shows = np.asarray(signal["shows"], bool)
    pictured, task = np.flatnonzero(shows), np.full(signal.n_rows, -1, np.int64)
    names, task[pictured] = np.unique(signal.task[pictured], return_inverse=True)
    reference = pictured[signal["ratio"][pictured] != 0]
    importance = task_importance(signal["ratio"][reference], task[reference], len(names))
    cluster, typical = np.zeros(signal.n_rows, np.int64), np.full(signal.n_rows, np.nan)
    if len(pictured):
        image = np.asarray(signal["image"], np.float32)[pictured]
        cluster[pictured] = clusters_of(image, task[pictured], params.clusters, params.seed)
        apart = (task * (int(cluster.max()) + 1) + cluster)[pictured]
        free = ~np.isin(pictured, reference)
        typical[pictured] = typicality(image, apart, free, params.neighbors)
    return Tasks(importance, task, cluster, reference, typical, shows)


def select(tasks: Tasks, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` rows in random order: the reference rows, then typical rows by task and cluster. A budget below the number of
    reference rows is drawn from these. Rows without an image are drawn at random, in their share of the pool."""

    def choose(m: int) -> np.ndarray:
        if m <= len(tasks.reference):
            return rng.permutation(tasks.reference)[:m]
        free = tasks.shows.copy()
        free[tasks.reference] = False
        sizes = np.bincount(tasks.task[free], minlength=len(tasks.importance))
        wanted, weights = m - len(tasks.reference), task_weights(tasks.importance)
        paper = params.variant == "paper"
        budgets = capped_shares(weights, sizes, wanted) if paper else released_budgets(weights, wanted)
        chosen = [tasks.reference]
        for k in np.flatnonzero(budgets):
            rows = np.flatnonzero(tasks.task == k)
            own = typical_rows(tasks.typicality[rows], tasks.cluster[rows], free[rows], int(budgets[k]))
            chosen.append(rows[own])
        first = np.concatenate(chosen)
        others = np.setdiff1d(np.flatnonzero(free), first)
        return np.concatenate([first, rng.permutation(others)[: m - len(first)]])[:m]

    return with_text_rows(tasks.shows, n, rng, choose)
