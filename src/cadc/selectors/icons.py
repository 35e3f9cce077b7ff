"""ICONS: every target task votes for the rows that match it best; rows with the most votes are taken (Wu et al. 2025).

arXiv 2501.00654.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from cadc.artifacts import Selection
from cadc.compute.finite import refuse_not_finite
from cadc.config.errors import InputError
from cadc.config.section import Section
from cadc.selectors.signal import Signal

_BLOCK = 65536  # rows at a time


class Params(Section):
    """snapshot: of the proxy's gradients. ICONS has a single one, after a warm-up on 5% of the data."""

    snapshot: Annotated[int, Field(ge=0)]


def task_scores(products: np.ndarray, norm: np.ndarray, task: np.ndarray, probe_rows: np.ndarray) -> np.ndarray:
    """Mean cosine of each row's gradient with those of each task's validation rows: float32 [n_rows, n_tasks].

    products [n_rows, n_subtasks]: inner products with each subtask's mean unit gradient. norm [n_rows]: norms of the
    rows' gradients. task int [n_subtasks]: the task of each subtask. probe_rows [n_subtasks]: its number of rows. A
    zero gradient scores 0. Raises InputError naming row numbers if a value is not finite.
    """
    refuse_not_finite({"the inner product": products, "the gradient's norm": norm}, 0)
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
    """Number of tasks for which a row is at or above the (1 - fraction) quantile (linear interpolation): int64
    [n_rows]."""
    return (scores >= np.quantile(scores, 1 - fraction, axis=0)).sum(1)


def measure(signal: Signal, params: Params) -> np.ndarray:
    """Mean cosine with every target benchmark: float32 [n_rows, n_tasks].

    Signal: `gradient_on_units` float32 [n_snapshots, n_rows, n_subtasks], `gradient_norm` float32 [n_snapshots,
    n_rows], `benchmark` int32 [n_subtasks], `probe_rows` int64 [n_subtasks]. Raises InputError for a snapshot that does
    not exist.
    """
    if params.snapshot >= len(signal["rate"]):
        raise InputError(
            f"select.snapshot is {params.snapshot}, but the proxy has {len(signal['rate'])} snapshots "
            "(proxy.snapshots), counted from 0"
        )
    t = params.snapshot
    return task_scores(
        signal["gradient_on_units"][t], signal["gradient_norm"][t], signal["benchmark"], signal["probe_rows"]
    )


def select(scores: np.ndarray, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """The `n` rows with the most votes, in random order.

    Most rows are tied. Ties are broken by mean score, then by row (ours; arbitrary in the released code).
    """
    ranked = np.lexsort((-scores.mean(1), -votes(scores, n / len(scores))))
    return Selection.of_rows(rng.permutation(ranked[:n]))


def scores(measured: np.ndarray, params: Params) -> np.ndarray:
    """Mean cosine over all tasks: float32 [n_rows]. The votes, which rank first, depend on the budget."""
    return measured.mean(1)
