"""LESS: rows whose update direction is closest to the gradient of some subtask (Xia et al. 2024, arXiv 2402.04333)."""

from __future__ import annotations

from typing import Literal

import numpy as np

from cadc.artifacts import Selection
from cadc.compute.finite import refuse_not_finite
from cadc.config.section import Section
from cadc.selectors.shared.band import rows_in_band
from cadc.selectors.signal import Signal

_BLOCK = 16384  # rows per block; bounds memory


class Params(Section):
    """variant: `paper` uses the cosine with a subtask's mean gradient, `released` the mean cosine with its rows.

    The released update direction, without bias correction, is `match.update: adam_less`.
    """

    variant: Literal["paper", "released"]


def matching_scores(
    influence: np.ndarray, row_norm: np.ndarray, subtask_norm: np.ndarray, rates: np.ndarray
) -> np.ndarray:
    """Match of a row's update with the best-matching subtask (eq. 3): float64 [n_rows].

    The maximum over subtasks of sum_t rate_t * cosine. influence [n_snapshots, n_rows, n_subtasks]: inner products of
    row and subtask directions. row_norm [n_snapshots, n_rows] and subtask_norm [n_snapshots, n_subtasks]: their norms
    (ones if a direction is a mean of unit vectors, as in LESS's released code). rates [n_snapshots]: learning rates,
    normalised to sum 1. A zero gradient scores 0. Raises InputError naming row numbers or subtasks if a value is not
    finite.
    """
    refuse_not_finite({"the inner product": influence, "the update's norm": row_norm}, 1)
    refuse_not_finite({"the gradient's norm": subtask_norm}, 1, what="subtask")
    shares, out = rates / rates.sum(), np.empty(influence.shape[1])
    for start in range(0, influence.shape[1], _BLOCK):
        rows = slice(start, start + _BLOCK)
        scale = row_norm[:, rows].astype(np.float64)[:, :, None] * subtask_norm.astype(np.float64)[:, None, :]
        cosine = np.divide(influence[:, rows], scale, out=np.zeros(scale.shape), where=scale > 0)
        out[rows] = np.einsum("t,tns->ns", shares, cosine).max(1)
    return out


def measure(signal: Signal, params: Params) -> np.ndarray:
    """Score of every row: float64 [n_rows]."""
    if params.variant == "released":
        return matching_scores(
            signal["update_on_units"], signal["update_norm"], np.ones_like(signal["mean_norm"]), signal["rate"]
        )
    return matching_scores(signal["update_on_mean"], signal["update_norm"], signal["mean_norm"], signal["rate"])


def select(scores: np.ndarray, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """The `n` rows of highest score, ties broken by row, in random order."""
    return Selection.of_rows(rng.permutation(rows_in_band(scores, n, "top")))


def scores(measured: np.ndarray, params: Params) -> np.ndarray:
    """Match with the best-matching subtask: float64 [n_rows]."""
    return measured
