"""Which rows of a capability fill its budget.

`top` takes the most influential (CADC). `weighted` draws by influence and `diverse` spreads over subtasks (both ours).
"""

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
    """How many of a capability's candidates are not doubtful, by subtask: int64 [S].

    ceil(keep * candidates of the subtask). A candidate belongs to the subtask of its highest affinity, float [N, S].
    """
    return np.ceil(keep * np.bincount(affinity[candidates].argmax(1), minlength=affinity.shape[1])).astype(np.int64)


def purest(affinity: np.ndarray, purity: np.ndarray, keep: float) -> np.ndarray:
    """The rows that are not doubtful, over all subtasks: int64, rising (ours).

    A row belongs to the subtask of its highest affinity; of a subtask's rows the ceil(keep * rows) of highest purity
    are kept, ties by row. affinity, purity float [N, S].
    """
    home = affinity.argmax(1)
    own = purity[np.arange(len(home)), home]
    kept = []
    for s in np.unique(home):
        rows = np.flatnonzero(home == s)
        kept.append(rows[np.argsort(-own[rows], kind="stable")[: int(np.ceil(keep * len(rows)))]])
    return np.sort(np.concatenate([*kept, np.empty(0, np.int64)])).astype(np.int64)


def clean_rows(affinity: np.ndarray, capability: np.ndarray, serves: np.ndarray, keep: float) -> np.ndarray:
    """How many of the rows that serve a capability are not doubtful: int64 [K].

    The sum of `eligible` over its subtasks. affinity float [N, S], capability int [S] of each subtask, serves bool [N,
    K].
    """
    return np.array(
        [
            eligible(affinity[:, capability == c], np.flatnonzero(serves[:, c]), keep).sum()
            for c in range(serves.shape[1])
        ]
    )


def clean_first(weights: np.ndarray, clean: np.ndarray, counts: np.ndarray, n: int) -> np.ndarray:
    """Shares of `n` rows by `weights`, whole rows, out of the `clean` ones of each group alone: int64 [S] (ours).

    Where all clean ones together are too few, every group gives all of them. The rest is shared by weight, too, within
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
    """`n` candidates spread over a capability's subtasks, the doubtful left out (ours): int64 [<= n].

    affinity and purity float32 [N, S] on the capability's subtasks, features float32 [N, d] by which rows are compared,
    weight [S] how much each subtask counts (None: by its number of rows).

    A row belongs to the subtask of its highest affinity. Of a subtask's rows the share `keep` of highest purity is
    `eligible`; the others are doubtful. No subtask gives a doubtful row while another has an eligible one left. Among
    the eligible rows facility location picks: every one of them has one like it among the chosen. So near-duplicates
    come last.
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

    features float [m, d]; they are centred first. Lazy greedy (Minoux 1978): gains only fall, so a row's gain is
    computed again only when it heads the queue. Memory grows with m^2. So more than `most` rows are halved at the
    median of the feature that varies most, as in a k-d tree, and each half gets its share of the n (ours). Ties by
    position.
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
    # Whole numbers: the order of a sum decides no tie.
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
