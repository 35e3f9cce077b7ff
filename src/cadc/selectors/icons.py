"""ICONS: every target task votes for the rows that match it best; the most voted are taken (Wu et al. 2025, arXiv 2501.00654)."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from cadc.artifacts import Selection
from cadc.config.params import Section
from cadc.selectors.signal import Signal

_BLOCK = 65536  # rows at a time


class Params(Section):
    """Which proxy snapshot's gradients are compared; ICONS has one, after a warm-up on 5% of the data."""

    snapshot: Annotated[int, Field(ge=0)]


def task_scores(products: np.ndarray, norm: np.ndarray, task: np.ndarray, probe_rows: np.ndarray) -> np.ndarray:
    """Mean cosine of each row's gradient with those of each task's validation rows: float32 [n_rows, n_tasks].

    products [n_rows, n_subtasks] are inner products with each subtask's mean unit gradient, norm [n_rows] the rows' own;
    task int [n_subtasks] is the task a subtask belongs to, probe_rows [n_subtasks] its number of rows. 0 for a zero gradient.
    """
    share = np.zeros((len(task), task.max() + 1))
    share[np.arange(len(task)), task] = probe_rows
    share /= share.sum(0)
    out = np.empty((len(norm), share.shape[1]), np.float32)
    for start in range(0, len(norm), _BLOCK):
        rows = slice(start, start + _BLOCK)
        length = np.asarray(norm[rows], np.float64)[:, None]
        out[rows] = np.divide(
            products[rows] @ share, length, out=np.zeros((len(length), share.shape[1])), where=length > 0
        )
    return out


def votes(scores: np.ndarray, fraction: float) -> np.ndarray:
    """How many tasks have a row at or above their (1 - fraction) quantile (linear interpolation): int64 [n_rows]."""
    return (scores >= np.quantile(scores, 1 - fraction, axis=0)).sum(1)


def measure(signal: Signal, params: Params) -> np.ndarray:
    """Mean cosine with every target benchmark: float32 [n_rows, n_tasks]. Raises ValueError at a snapshot that was not taken."""
    if params.snapshot >= len(signal["rate"]):
        raise ValueError(
            f"select.icons.snapshot is {params.snapshot}, and proxy.snapshots {len(signal['rate'])}: it counts from 0"
        )
    t = params.snapshot
    return task_scores(
        signal["gradient_on_units"][t], signal["gradient_norm"][t], signal["benchmark"], signal["probe_rows"]
    )


def select(scores: np.ndarray, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """The `n` most voted rows; ties, which decide most of them, by mean score (ours: released, they are arbitrary), then by row."""
    ranked = np.lexsort((-scores.mean(1), -votes(scores, n / len(scores))))
    return Selection.of_rows(rng.permutation(ranked[:n]))
