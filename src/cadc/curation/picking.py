"""Pick rows of a capability to fill its budget.

`top` takes the most influential (CADC). `weighted` samples by influence and `diverse` spreads over subtasks (both
ours).
"""

from __future__ import annotations

import heapq

import numpy as np

from cadc.config.budgets import capped_shares


def top(influence: np.ndarray, candidates: np.ndarray, n: int) -> np.ndarray:
    """The `n` candidates of highest influence, ties broken by row (CADC): int64 [<= n]."""
    return candidates[np.argsort(-influence[candidates], kind="stable")[:n]]


def weighted(influence: np.ndarray, candidates: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Sample `n` candidates without replacement, p proportional to exp(influence / its standard deviation) (ours).

    Uses the Gumbel trick: the n largest of influence / sd plus Gumbel noise.
    """
    scale = float(influence[candidates].std()) or 1.0
    keys = influence[candidates] / scale + rng.gumbel(size=len(candidates))
    return candidates[np.argsort(-keys, kind="stable")[:n]]


def eligible(affinity: np.ndarray, candidates: np.ndarray, keep: float) -> np.ndarray:
    """The number of a capability's candidates that are not doubtful, by subtask: int64 [S].

    It is ceil(keep * candidates of the subtask). A candidate belongs to the subtask of its highest affinity (float [N,
    S]).
    """
    return np.ceil(keep * np.bincount(affinity[candidates].argmax(1), minlength=affinity.shape[1])).astype(np.int64)


def purest(affinity: np.ndarray, purity: np.ndarray, keep: float) -> np.ndarray:
    """The rows that are not doubtful, over all subtasks: int64, ascending (ours).

    A row belongs to the subtask of its highest affinity. Each subtask keeps its ceil(keep * rows) rows of highest
    purity, ties broken by row. affinity, purity float [N, S].
    """
    home = affinity.argmax(1)
    own = purity[np.arange(len(home)), home]
    kept = []
    for s in np.unique(home):
        rows = np.flatnonzero(home == s)
        kept.append(rows[np.argsort(-own[rows], kind="stable")[: int(np.ceil(keep * len(rows)))]])
    return np.sort(np.concatenate([*kept, np.empty(0, np.int64)])).astype(np.int64)


def clean_rows(affinity: np.ndarray, capability: np.ndarray, serves: np.ndarray, keep: float) -> np.ndarray:
    """The number of rows that serve a capability and are not doubtful: int64 [K].

    It is the sum of `eligible` over the capability's subtasks. affinity float [N, S]; capability int [S]: of each
    subtask; serves bool [N, K].
    """
    return np.array(
        [
            eligible(affinity[:, capability == c], np.flatnonzero(serves[:, c]), keep).sum()
            for c in range(serves.shape[1])
        ]
    )


def clean_first(weights: np.ndarray, clean: np.ndarray, counts: np.ndarray, n: int) -> np.ndarray:
    """Split `n` rows over groups by `weights`, using only their `clean` rows: int64 [S] (ours).

    If all clean rows together are too few, every group gives all of them, and the rest is split by weight within
    `counts`.
    """
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
    """`n` candidates spread over a capability's subtasks, without doubtful rows (ours): int64 [<= n].

    affinity and purity float32 [N, S] on the capability's subtasks; features float32 [N, d] for comparing rows; weight
    [S] of each subtask (None: its number of rows).

    A row belongs to the subtask of its highest affinity. The share `keep` of a subtask's rows with the highest purity
    is `eligible`; the others are doubtful. A doubtful row is used only when no subtask has an eligible one left.
    Facility location picks among the eligible rows, so that each has a similar row among those picked and
    near-duplicates come last.
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
    """Positions of `n` representative rows: greedy maximum of sum_z max_{s chosen} cos(z, s), int64 [n].

    features float [m, d] are centred first. Lazy greedy (Minoux 1978): gains only fall, so a row's gain is recomputed
    only when it heads the queue. Memory grows with m^2, so more than `most` rows are split at the median of the feature
    with the highest variance, as in a k-d tree, and each half gets its share of n (ours). Ties are broken by position.
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
    # Integers make sums exact, so that summation order cannot change ties.
    similar = np.clip(np.rint(1e6 * (unit @ unit.T)), 0, None).astype(np.int64)
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
