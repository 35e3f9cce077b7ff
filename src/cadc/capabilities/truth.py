"""Does influence predict training effects? Compare predicted influence of row sets with the effect of training on
them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

Figure = tuple[float, float, float]  # a correlation and its 95% interval


def mean_spearman(predicted: np.ndarray, outcome: np.ndarray) -> float:
    """Mean over subtasks of Spearman's correlation over sets of rows; both float [n_sets, S].

    For random sets this is the linear datamodelling score (LDS; Park et al. 2023, TRAK, section 4). A subtask with
    constant predictions or outcomes counts as 0.
    """
    a, b = (rankdata(x, axis=0) for x in (predicted, outcome))
    a, b = a - a.mean(0), b - b.mean(0)
    return float(np.mean((a * b).sum(0) / np.maximum(np.sqrt((a * a).sum(0) * (b * b).sum(0)), 1e-12)))


def set_influence(attribution: np.ndarray, sets: Sequence[np.ndarray]) -> np.ndarray:
    """Sum of the influences of each set's rows, float [n_sets, S]. attribution [N, S]; sets: positions in N."""
    return np.stack([attribution[rows].sum(0) for rows in sets])


def truth(predicted: np.ndarray, outcome: np.ndarray, draws: int = 500, seed: int = 0) -> tuple[Figure, Figure]:
    """`mean_spearman` with its 95% bootstrap interval over sets, as is and after centring both inputs over subtasks.

    Centred, it measures which subtasks a set helps. Both inputs float [n_sets, S], larger is better for the subtask.
    """
    resampled = np.random.default_rng(seed).integers(len(outcome), size=(draws, len(outcome)))
    figures = []
    for apart in (False, True):
        pair = [x - x.mean(1, keepdims=True) if apart else x for x in (predicted, outcome)]
        low, high = np.percentile([mean_spearman(*(x[at] for x in pair)) for at in resampled], [2.5, 97.5])
        figures.append((mean_spearman(*pair), float(low), float(high)))
    return figures[0], figures[1]
