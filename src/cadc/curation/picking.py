"""Which rows of a capability fill its budget: the most influential, a draw by influence, or a spread over its subtasks."""

from __future__ import annotations

import numpy as np

from cadc.budgets import largest_remainder

_ALIKE = 0.995  # cosine of influence profiles from which two rows are near-duplicates: they would move all subtasks alike


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


def diverse(profile: np.ndarray, weight: np.ndarray, candidates: np.ndarray, n: int) -> np.ndarray:
    """`n` candidates spread over a capability's subtasks, near-duplicates out (ours): int64 [<= n].

    profile float32 [N, S] says how well every row suits each of the capability's subtasks, weight [S] how much each
    counts. The subtasks take turns until each has its share, every time the row that suits it best among those not taken
    and unlike all that it took before; what then is missing is filled with the rows that suit any subtask best.
    """
    unit = profile / np.maximum(np.linalg.norm(profile, axis=1, keepdims=True), 1e-12)
    shares = largest_remainder(weight, n)
    queues = [iter(candidates[np.argsort(-profile[candidates, s], kind="stable")].tolist()) for s in range(len(weight))]
    taken: list[list[int]] = [[] for _ in weight]
    chosen: dict[int, None] = {}
    waiting = [s for s in range(len(weight)) if shares[s]]
    while waiting:
        for s in list(waiting):
            row = next((row for row in queues[s] if row not in chosen and (not taken[s] or (unit[taken[s]] @ unit[row]).max() < _ALIKE)), None)
            if row is not None:
                taken[s].append(row)
                chosen[row] = None
            if row is None or len(taken[s]) == shares[s]:
                waiting.remove(s)
    rest = np.setdiff1d(candidates, list(chosen))
    fill = rest[np.argsort(-profile[rest].max(1), kind="stable")[: n - len(chosen)]] if len(rest) else rest
    return np.concatenate([np.array(list(chosen), np.int64), fill])
