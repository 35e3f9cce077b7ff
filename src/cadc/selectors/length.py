"""The longest answers: shows the effect of length alone ("Long Is More for Alignment", Zhao et al. 2024).

arXiv 2402.04833.
"""

from __future__ import annotations

import numpy as np

from cadc.artifacts import Selection
from cadc.config.section import Section
from cadc.selectors.shared.band import rows_in_band
from cadc.selectors.signal import Signal


class Params(Section):
    """No parameters."""


def select(signal: Signal, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """The `n` rows with the most answer words (`words` int64 [n_rows], over all turns of a row), in random order."""
    return Selection.of_rows(rng.permutation(rows_in_band(signal["words"], n, "top")))


def scores(signal: Signal, params: Params) -> np.ndarray:
    """Answer words: int64 [n_rows]."""
    return signal["words"]
