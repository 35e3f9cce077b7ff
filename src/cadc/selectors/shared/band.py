"""Which part of the rows, sorted by a score, fills a budget."""

from __future__ import annotations

from typing import Literal

import numpy as np

from cadc.compute.finite import refuse_not_finite
from cadc.config.errors import InputError

Band = Literal["middle", "top", "bottom"]


def rows_in_band(scores: np.ndarray, n: int, band: Band) -> np.ndarray:
    """`n` rows int64 [n] by `scores` [n_rows]: the highest, the lowest, or those in the middle of the ascending order.

    The middle starts at n_rows // 2 - n // 2, which leaves room for every n up to n_rows. Of equal scores the lower row
    comes first, in every band. Raises InputError at a score that is not finite: NaN would sort as the highest.
    """
    scores = np.asarray(scores)
    refuse_not_finite({"the score": scores}, 0)
    if band == "top":
        return np.argsort(-scores, kind="stable")[:n]
    start = len(scores) // 2 - n // 2 if band == "middle" else 0
    return np.argsort(scores, kind="stable")[start : start + n]


def band_scores(scores: np.ndarray, band: Band) -> np.ndarray:
    """By what `rows_in_band` fills a band, higher is sooner: the scores, or minus these; in the middle minus the
    distance from it in places of the ascending order, float64 [n_rows]."""
    if band != "middle":
        return scores if band == "top" else -scores
    place = np.empty(len(scores))
    place[np.argsort(scores, kind="stable")] = np.arange(len(scores))
    return -np.abs(place - len(scores) // 2 + 0.25)  # a quarter, for the lower of two neighbours comes first


def at_snapshot(scores: np.ndarray, snapshot: int) -> np.ndarray:
    """One snapshot's scores of [n_snapshots, n_rows]; -1 is the last. Raises InputError at one that was not taken."""
    if not -len(scores) <= snapshot < len(scores):
        raise InputError(
            f"select.snapshot is {snapshot}, and the proxy took {len(scores)} snapshots (proxy.snapshots): it counts "
            "from 0, -1 is the last"
        )
    return scores[snapshot]
