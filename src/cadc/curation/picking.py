"""Which rows of a capability fill its budget: the most influential, a draw by influence, or a spread over its subtasks."""

from __future__ import annotations

import heapq

import numpy as np

from cadc.config.budgets import capped_shares


def top(influence: np.ndarray, candidates: np.ndarray, n: int) -> np.ndarray:
    """The `n` candidates of highest influence, ties by row (CADC): int64 [<= n]."""
    return candidates[np.argsort(-influence[candidates], kind="stable")[:n]]


def weighted(influence: np.ndarray, candidates: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """`n` candidates drawn without replacement, p proportional to exp(influence / its standard deviation) (ours).

    By the Gumbel trick: the n largest of influence / sd plus Gumbel noise.
    """
    scale = float(influence[candidates].std()) or 1.0
    keys = influence[candidates] / scale + rng.gumbel(size=len(candidates))
    return candidates[np.argsort(-keys, kind="stable")[:n]]


def eligible(affinity: np.ndarray, candidates: np.ndarray, keep: float) -> np.ndarray:
    """How many of a capability's candidates are not doubtful, by subtask: ceil(keep * rows whose highest affinity, float [N, S], it is), int64 [S]."""
    return np.ceil(keep * np.bincount(affinity[candidates].argmax(1), minlength=affinity.shape[1])).astype(np.int64)


def clean_first(weights: np.ndarray, clean: np.ndarray, counts: np.ndarray, n: int) -> np.ndarray:
    """`capped_shares` of `n` rows within the `clean` ones of each group, int64 [S]; where these are too few, all of them and the rest
    within `counts`, by weight, too (ours)."""
    if n <= clean.sum():
        return capped_shares(weights, clean, n)
    return clean + capped_shares(weights, counts - clean, n - int(clean.sum()))


def diverse(
    affinity: np.ndarray,
    purity: np.ndarray,
    features: np.ndarray,
    weight: np.ndarray | None,
    keep: float,
    candidates: np.ndarray,
    n: int,
) -> np.ndarray:
    """`n` candidates spread over a capability's subtasks, the doubtful left out (ours): int64 [<= n].

    affinity and purity float32 [N, S] on the capability's subtasks, features float32 [N, d] by which rows are compared,
    weight [S] how much each subtask counts (None: by its number of rows). A row belongs to the subtask of its highest
    affinity. Of a subtask's rows the share `keep` of highest purity is `eligible`: none gives more as long as others have
    some left, and only where all are used up the doubtful are taken, too. Of the eligible the budget is filled so that
    every one has one like it among the chosen (facility location), which leaves near-duplicates for last.
    """
    own = affinity[candidates].argmax(1)
    counts = np.bincount(own, minlength=affinity.shape[1])
    n = min(n, len(candidates))
    clean = eligible(affinity, candidates, keep)
    shares = clean_first(counts if weight is None or not weight[counts > 0].any() else weight, clean, counts, n)
    chosen = [np.empty(0, np.int64)]
    for s in np.flatnonzero(shares):
        group = candidates[own == s]
        purest = group[np.argsort(-purity[group, s], kind="stable")[: max(clean[s], shares[s])]]
        chosen.append(purest[facility_location(features[purest], shares[s])])
    return np.concatenate(chosen)


def facility_location(features: np.ndarray, n: int, most: int = 8192) -> np.ndarray:
    """Positions of `n` rows that stand for all of them: greedy maximum of sum_z max_{s chosen} cos(z, s), int64 [n].

    features float [m, d], taken less their mean. Lazy greedy (Minoux 1978): gains only fall, so a row is looked at again
    only when it heads the queue. Memory grows with m^2, so more than `most` rows are halved at the median of the feature
    that varies most, as in a k-d tree, and each half is stood for by its share of the n (ours). Ties by position.
    """
    if len(features) > most:
        halves = np.array_split(np.argsort(features[:, features.var(0).argmax()], kind="stable"), 2)
        sizes = np.array([len(half) for half in halves])
        shares = capped_shares(sizes, sizes, n)
        return np.concatenate(
            [half[facility_location(features[half], share, most)] for half, share in zip(halves, shares, strict=True)]
        )
    unit = features - features.mean(0)
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    similar = np.clip(np.rint(1e6 * (unit @ unit.T)), 0, None).astype(
        np.int64
    )  # whole numbers: no order of sums decides a tie
    covered = np.zeros(len(unit), np.int64)
    waiting = [(-gain, i) for i, gain in enumerate(similar.sum(1).tolist())]
    heapq.heapify(waiting)
    chosen: list[int] = []
    while len(chosen) < n:
        _, i = heapq.heappop(waiting)
        gain = int(np.maximum(similar[i] - covered, 0).sum())
        if waiting and (-gain, i) > waiting[0]:
            heapq.heappush(waiting, (-gain, i))
            continue
        chosen.append(i)
        np.maximum(covered, similar[i], out=covered)
    return np.array(chosen, np.int64)
