"""Rows without a picture, of which methods that look at pictures know nothing: one rule for all of them (ours).

They are a stratum of their own. Its share of the budget is its share of the pool, and its rows are drawn at random. The
authors' code leaves them out (ScalSelect, PreSel), scores them 0 (VisNec) or draws them beside the clusters (XMAS).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cadc.artifacts import Selection
from cadc.config.budgets import capped_shares


def with_text_rows(
    shows: np.ndarray, n: int, rng: np.random.Generator, choose: Callable[[int], np.ndarray]
) -> Selection:
    """`n` rows in random order: of those with pictures the ones that `choose(m)` gives, m different row numbers.

    shows bool [n_rows]: whether a row has a picture.
    """
    pictured, plain = np.flatnonzero(shows), np.flatnonzero(~shows)
    sizes = np.array([len(pictured), len(plain)])
    n_pictured, n_plain = capped_shares(sizes, sizes, n).tolist()
    text = rng.permutation(plain)[:n_plain]
    return Selection.of_rows(rng.permutation(np.concatenate([choose(n_pictured), text]).astype(np.int64)))
