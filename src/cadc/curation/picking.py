"""Which rows of a capability fill its budget: the most influential, a draw by influence, or a spread over its subtasks."""

from __future__ import annotations

import numpy as np

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


def diverse(profile: np.ndarray, subtasks: np.ndarray, candidates: np.ndarray, n: int) -> np.ndarray:
    """`n` candidates spread over a capability's subtasks, near-duplicates out (ours): int64 [<= n].

    profile float32 [N, S] is every row's influence on every subtask. The subtasks take turns, each time the row of
    highest influence on the subtask among those that serve it best and are unlike all that it took before; when these
    are used up, among all that are left.
    """
    unit = profile / np.maximum(np.linalg.norm(profile, axis=1, keepdims=True), 1e-12)
    best = subtasks[profile[candidates][:, subtasks].argmax(1)] if len(candidates) else candidates
    queues = {s: candidates[best == s][np.argsort(-profile[candidates[best == s], s], kind="stable")] for s in subtasks}
    taken: dict[int, list[int]] = {int(s): [] for s in subtasks}
    at = dict.fromkeys(taken, 0)
    left = n
    while left and any(at[s] < len(queues[s]) for s in at):
        for s in at:
            while left and at[s] < len(queues[s]):
                row = int(queues[s][at[s]])
                at[s] += 1
                if not taken[s] or (unit[taken[s]] @ unit[row]).max() < _ALIKE:
                    taken[s].append(row)
                    left -= 1
                    break
    chosen = np.array([row for rows in taken.values() for row in rows], np.int64)
    rest = np.setdiff1d(candidates, chosen)
    return np.concatenate([chosen, rest[np.argsort(-profile[rest][:, subtasks].max(1), kind="stable")[:left]]]) if left and len(rest) else chosen
