"""Perplexity of the answer: exp of its mean negative log-likelihood (Marion et al. 2023: the middle is best).

arXiv 2309.04564.
"""

from __future__ import annotations

import numpy as np

from cadc.artifacts import Selection
from cadc.config.section import Section
from cadc.selectors.shared.band import Band, at_snapshot, band_scores, rows_in_band
from cadc.selectors.signal import Signal


class Params(Section):
    """See params.yaml."""

    snapshot: int
    band: Band


def select(signal: Signal, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` rows of a band of `nll` float32 [n_snapshots, n_rows], at one snapshot, in random order.

    exp keeps the order and could overflow, so rows are sorted by the likelihood itself.
    """
    return Selection.of_rows(rng.permutation(rows_in_band(at_snapshot(signal["nll"], params.snapshot), n, params.band)))


def scores(signal: Signal, params: Params) -> np.ndarray:
    """The negative log-likelihood by which a band is filled, higher is sooner: [n_rows]."""
    return band_scores(at_snapshot(signal["nll"], params.snapshot), params.band)
