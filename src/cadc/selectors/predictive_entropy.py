"""Predictive entropy: rows whose answer the model is least certain of before it reads any of it.

Max-entropy uncertainty sampling as in "Selection via Proxy" (Coleman et al. 2020, arXiv 1906.11829), which uses
classes; here the entropy is over the first answer token. Later tokens would depend on the answer. So a row's score
reads only its images and its question.

The proxy itself was trained on labelled rows, as in the paper: the score of a row does not need that row's label, but
the proxy run needs labels.
"""

from __future__ import annotations

import numpy as np

from cadc.artifacts import Selection
from cadc.config.section import Section
from cadc.selectors.shared.band import at_snapshot, rows_in_band
from cadc.selectors.signal import Signal


class Params(Section):
    """snapshot: of the proxy run, from 0; -1 is the last."""

    snapshot: int


def select(signal: Signal, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """The `n` rows of highest entropy, ties broken by row, in random order.

    Signal: `entropy` float32 [n_snapshots, n_rows], in nats.
    """
    return Selection.of_rows(rng.permutation(rows_in_band(at_snapshot(signal["entropy"], params.snapshot), n, "top")))


def scores(signal: Signal, params: Params) -> np.ndarray:
    """Entropy in nats: float32 [n_rows]."""
    return at_snapshot(signal["entropy"], params.snapshot)
