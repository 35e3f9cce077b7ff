"""LESS: the rows whose update direction is nearest to some subtask's gradient (Xia et al. 2024, arXiv 2402.04333)."""

from __future__ import annotations

from typing import Literal

import numpy as np

from cadc.artifacts import Selection
from cadc.params import Section
from cadc.selectors.shared.band import rows_in_band
from cadc.selectors.shared.matching import matching_scores
from cadc.selectors.signal import Signal


class Params(Section):
    """`paper`: cosine with a subtask's mean gradient; `released`: mean over its rows of the cosines with their gradients.

    The released direction of a row, without bias correction, is `match.update: adam_less`.
    """

    variant: Literal["paper", "released"]


def measure(signal: Signal, params: Params) -> np.ndarray:
    """Score of every row: float64 [n_rows]."""
    if params.variant == "released":
        return matching_scores(signal["update_on_units"], signal["update_norm"], np.ones_like(signal["mean_norm"]), signal["rate"])
    return matching_scores(signal["update_on_mean"], signal["update_norm"], signal["mean_norm"], signal["rate"])


def select(scores: np.ndarray, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """The `n` rows of highest score, ties by row, in random order."""
    return Selection.of_rows(rng.permutation(rows_in_band(scores, n, "top")))
