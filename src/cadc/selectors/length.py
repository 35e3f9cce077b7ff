"""The longest answers: tells what length alone is worth ("Long Is More for Alignment", Zhao et al. 2024).

arXiv 2402.04833.
"""

from __future__ import annotations

import numpy as np

from cadc.artifacts import Selection
from cadc.config.section import Section
from cadc.selectors.shared.band import rows_in_band
from cadc.selectors.signal import Signal


class Params(Section):
    """Nothing to choose."""


def select(signal: Signal, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """The `n` rows of most answer words (`words` int64 [n_rows], all turns of a row together), in random order."""
    return Selection.of_rows(rng.permutation(rows_in_band(signal["words"], n, "top")))


def scores(signal: Signal, params: Params) -> np.ndarray:
    """Answer words: int64 [n_rows]."""
    return signal["words"]
