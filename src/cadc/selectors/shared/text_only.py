"""Rows without an image, for methods that score images: one rule for all of them (ours).

These rows are a separate stratum. It gets its share of the pool as its share of the budget, and its rows are drawn at
random. The authors' code leaves them out (ScalSelect, PreSel), scores them 0 (VisNec) or draws them separately (XMAS).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cadc.artifacts import Selection
from cadc.config.budgets import capped_shares


def with_text_rows(
    shows: np.ndarray, n: int, rng: np.random.Generator, choose: Callable[[int], np.ndarray]
) -> Selection:
    """`n` rows in random order. `choose(m)` selects m distinct row numbers among the rows with images.

    shows bool [n_rows]: whether a row has an image.
    """
    pictured, plain = np.flatnonzero(shows), np.flatnonzero(~shows)
    sizes = np.array([len(pictured), len(plain)])
    n_pictured, n_plain = capped_shares(sizes, sizes, n).tolist()
    text = rng.permutation(plain)[:n_plain]
    return Selection.of_rows(rng.permutation(np.concatenate([choose(n_pictured), text]).astype(np.int64)))
