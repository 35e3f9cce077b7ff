"""Uniform random selection, the baseline that every method must beat."""

from __future__ import annotations

import numpy as np

from cadc.artifacts import Selection
from cadc.config.section import Section
from cadc.selectors.signal import Signal


class Params(Section):
    """No parameters."""


def select(signal: Signal, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` rows drawn without replacement, in random order."""
    return Selection.of_rows(rng.permutation(signal.n_rows)[:n])
