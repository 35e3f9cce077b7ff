"""Gradient matching: how well a row's update serves the subtask that it serves best (LESS, Xia et al. 2024, eq. 3)."""

from __future__ import annotations

import numpy as np

_BLOCK = 16384  # rows at a time, so that memory does not grow with the pool


def matching_scores(influence: np.ndarray, row_norm: np.ndarray, subtask_norm: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """max over subtasks of sum_t rate_t * cosine: float64 [n_rows].

    influence [n_snapshots, n_rows, n_subtasks] are inner products of row and subtask directions, row_norm
    [n_snapshots, n_rows] and subtask_norm [n_snapshots, n_subtasks] their norms (ones where a direction is a mean of
    unit vectors, as in LESS's released code); rates [n_snapshots] the learning rates, taken as shares. A zero gradient
    matches nothing: 0.
    """
    shares, out = rates / rates.sum(), np.empty(influence.shape[1])
    for start in range(0, influence.shape[1], _BLOCK):
        rows = slice(start, start + _BLOCK)
        scale = row_norm[:, rows].astype(np.float64)[:, :, None] * subtask_norm.astype(np.float64)[:, None, :]
        cosine = np.divide(influence[:, rows], scale, out=np.zeros(scale.shape), where=scale > 0)
        out[rows] = np.einsum("t,tns->ns", shares, cosine).max(1)
    return out
