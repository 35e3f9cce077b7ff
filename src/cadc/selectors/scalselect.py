"""ScalSelect: rows of highest leverage in the dominant subspace of the image features that instructions attend to.

arXiv 2602.11636; released code ChangtiWu/ScalSelect 74375d3. Abstract and code agree. Leverages are computed from the
Gram matrix of the columns, one block of rows at a time; the code computes an SVD of the whole matrix, with the same
result. Leverage favours outliers, and each duplicate of a row has the same leverage.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cadc.artifacts import Selection
from cadc.config.section import Fraction, Section
from cadc.selectors.shared.text_only import with_text_rows
from cadc.selectors.signal import Signal

_BLOCK = 8192  # rows at a time
_ZERO = 1e-12  # minimum standard deviation of a column, and length of a row (released)


class Params(Section):
    """energy: share of the squared singular values that the subspace holds. standardise: divide columns by their
    standard deviation. unit_rows: then scale rows to length 1. The released script does neither; the code's default is
    both."""

    energy: Fraction
    standardise: bool
    unit_rows: bool


@dataclass(frozen=True)
class Leverage:
    """score float64 [n_rows], 0 without an image; shows bool [n_rows]."""

    score: np.ndarray
    shows: np.ndarray


def leverages(
    features: np.ndarray,
    energy: float,
    center: bool = True,
    standardise: bool = False,
    unit_rows: bool = False,
    rows: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Leverage of each row of `features` float [n_rows, d] in the smallest leading subspace that holds `energy` of the
    squared singular values: float64 [n], and the singular values float64 [d], largest first.

    rows: int64 [n], rows to use (None: all). The leverages sum to the dimension of the subspace; they are 0 if all
    singular values are. `features` may be memory-mapped: one block of rows is held at a time.
    """
    rows = np.arange(len(features)) if rows is None else rows
    n, width = len(rows), features.shape[1]
    blocks = [rows[start : start + _BLOCK] for start in range(0, n, _BLOCK)]
    mean, spread = np.zeros(width), np.ones(width)
    if center:
        mean = sum(np.asarray(features[block], np.float64).sum(0) for block in blocks) / n
    if standardise:
        square = sum(((np.asarray(features[block], np.float64) - mean) ** 2).sum(0) for block in blocks)
        spread = np.sqrt(square / n)
        spread = np.where(spread > _ZERO, spread, 1.0)

    def scaled(block: np.ndarray) -> np.ndarray:
        block = (np.asarray(features[block], np.float64) - mean) / spread
        if not unit_rows:
            return block
        length = np.linalg.norm(block, axis=1, keepdims=True)
        return block / np.where(length > _ZERO, length, 1.0)

    gram = sum(block.T @ block for block in map(scaled, blocks))
    values, vectors = np.linalg.eigh(gram)
    values, vectors = np.clip(values[::-1], 0, None), vectors[:, ::-1]
    total = values.sum()
    if not total > 0:
        return np.zeros(n), np.sqrt(values)
    k = int(np.searchsorted(np.cumsum(values) / total, energy)) + 1
    k = min(k, int((values > values[0] * width * np.finfo(float).eps).sum()))
    basis = vectors[:, :k] / np.sqrt(values[:k])
    return np.concatenate([((scaled(block) @ basis) ** 2).sum(1) for block in blocks]), np.sqrt(values)


def measure(signal: Signal, params: Params) -> Leverage:
    """Signal: `attended` float [n_rows, width], means over an image's most attended tokens; `shows` bool [n_rows]."""
    shows = np.asarray(signal["shows"], bool)
    score, pictured = np.zeros(signal.n_rows), np.flatnonzero(shows)
    if len(pictured):
        how = {"standardise": params.standardise, "unit_rows": params.unit_rows}
        score[pictured], _ = leverages(signal["attended"], params.energy, rows=pictured, **how)
    return Leverage(score, shows)


def select(leverage: Leverage, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """The `n` rows of highest leverage, ties broken by row, in random order.

    Rows without an image are drawn at random, in their share of the pool.
    """
    pictured = np.flatnonzero(leverage.shows)
    best = pictured[np.argsort(-leverage.score[pictured], kind="stable")]
    return with_text_rows(leverage.shows, n, rng, lambda m: best[:m])


def scores(leverage: Leverage, params: Params) -> np.ndarray:
    """Leverage: float64 [n_rows]."""
    return leverage.score
