"""Perplexity of the answer: exp of its mean negative log-likelihood (Marion et al. 2023: the middle band works best).

arXiv 2309.04564.
"""

from __future__ import annotations

import numpy as np

from cadc.artifacts import Selection
from cadc.config.section import Section
from cadc.selectors.shared.band import Band, at_snapshot, band_scores, rows_in_band
from cadc.selectors.signal import Signal


class Params(Section):
    """snapshot: of the proxy run, from 0; -1 is the last. band: which part of the rows sorted by score is selected."""

    snapshot: int
    band: Band


def select(signal: Signal, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` rows from a band of `nll` float32 [n_snapshots, n_rows] at one snapshot, in random order.

    Rows are sorted by the log-likelihood itself: exp keeps the order but could overflow.
    """
    return Selection.of_rows(rng.permutation(rows_in_band(at_snapshot(signal["nll"], params.snapshot), n, params.band)))


def scores(signal: Signal, params: Params) -> np.ndarray:
    """Negative log-likelihood as used to fill the band, higher is selected first: [n_rows]."""
    return band_scores(at_snapshot(signal["nll"], params.snapshot), params.band)
