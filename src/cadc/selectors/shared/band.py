"""Fill a budget from a band of rows sorted by score."""

from __future__ import annotations

from typing import Literal

import numpy as np

from cadc.compute.finite import refuse_not_finite
from cadc.config.errors import InputError

Band = Literal["middle", "top", "bottom"]


def rows_in_band(scores: np.ndarray, n: int, band: Band) -> np.ndarray:
    """`n` rows int64 [n] by `scores` [n_rows]: the highest, the lowest, or the middle of the ascending order.

    The middle starts at n_rows // 2 - n // 2, which fits every n up to n_rows. Ties are broken by row, lowest first, in
    every band. Raises InputError if a score is not finite, because NaN would sort as the highest.
    """
    scores = np.asarray(scores)
    refuse_not_finite({"the score": scores}, 0)
    if band == "top":
        return np.argsort(-scores, kind="stable")[:n]
    start = len(scores) // 2 - n // 2 if band == "middle" else 0
    return np.argsort(scores, kind="stable")[start : start + n]


def band_scores(scores: np.ndarray, band: Band) -> np.ndarray:
    """The score by which `rows_in_band` fills a band, higher is selected first: the scores, or minus these; for the
    middle, minus the distance from it in the ascending order, float64 [n_rows]."""
    if band != "middle":
        return scores if band == "top" else -scores
    place = np.empty(len(scores))
    place[np.argsort(scores, kind="stable")] = np.arange(len(scores))
    return -np.abs(place - len(scores) // 2 + 0.25)  # a quarter: of two equally distant rows the lower comes first


def at_snapshot(scores: np.ndarray, snapshot: int) -> np.ndarray:
    """Scores of one snapshot from [n_snapshots, n_rows]; -1 is the last. Raises InputError if it does not exist."""
    if not -len(scores) <= snapshot < len(scores):
        raise InputError(
            f"select.snapshot is {snapshot}, but the proxy has {len(scores)} snapshots (proxy.snapshots), counted from "
            "0; -1 is the last"
        )
    return scores[snapshot]
