"""Predictive entropy: the rows whose answer the model is least sure of, before it reads any of it.

Max-entropy uncertainty sampling as in "Selection via Proxy" (Coleman et al. 2020, arXiv 1906.11829), there over
classes, here over the first token of the answer. No later token would do: its distribution depends on the answer's
tokens before it. So a row's score reads its images and its question alone.

The proxy that is asked was itself trained on labelled rows, as in the paper: the score of a row needs no label of that
row, the run before it does.
"""

from __future__ import annotations

import numpy as np

from cadc.artifacts import Selection
from cadc.config.section import Section
from cadc.selectors.shared.band import at_snapshot, rows_in_band
from cadc.selectors.signal import Signal


class Params(Section):
    """snapshot: of the proxy's, from 0; -1 is the last."""

    snapshot: int


def select(signal: Signal, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """The `n` rows of highest entropy, ties by row, in random order.

    Of the signal: `entropy` float32 [n_snapshots, n_rows], in nats.
    """
    return Selection.of_rows(rng.permutation(rows_in_band(at_snapshot(signal["entropy"], params.snapshot), n, "top")))


def scores(signal: Signal, params: Params) -> np.ndarray:
    """Entropy in nats: float32 [n_rows]."""
    return at_snapshot(signal["entropy"], params.snapshot)
