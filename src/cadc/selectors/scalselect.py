"""ScalSelect: rows of highest leverage in the dominant subspace of what their instructions attend to in the picture.

arXiv 2602.11636; released code ChangtiWu/ScalSelect 74375d3. Abstract and code agree. Leverages come from the Gram
matrix of the columns, a block of rows at a time, where the code takes an SVD of the whole matrix: the same numbers.
Leverage favours outliers, and duplicates of a row have its leverage each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cadc.artifacts import Selection
from cadc.config.section import Fraction, Section
from cadc.selectors.shared.text_only import with_text_rows
from cadc.selectors.signal import Signal

_BLOCK = 8192  # rows at a time
_ZERO = 1e-12  # of a column's standard deviation and a row's length (released)


class Params(Section):
    """energy: share of the squared singular values that the subspace holds. standardise, unit_rows: columns by their
    standard deviation, then rows to length 1; the released script does neither, the code's own default both."""

    energy: Fraction
    standardise: bool
    unit_rows: bool


@dataclass(frozen=True)
class Leverage:
    """score float64 [n_rows], 0 without a picture; shows bool [n_rows]."""

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

    rows: int64 [n], those that take part (None: all). The leverages sum to the subspace's dimension. Without any energy
    all are 0. `features` may be a map of a file: one block of rows is held at a time.
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
    """Of the signal: `attended` float [n_rows, width], means over a picture's most attended tokens; `shows` bool
    [n_rows]."""
    shows = np.asarray(signal["shows"], bool)
    score, pictured = np.zeros(signal.n_rows), np.flatnonzero(shows)
    if len(pictured):
        how = {"standardise": params.standardise, "unit_rows": params.unit_rows}
        score[pictured], _ = leverages(signal["attended"], params.energy, rows=pictured, **how)
    return Leverage(score, shows)


def select(leverage: Leverage, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """The `n` rows of highest leverage, ties by row, in random order. Rows without a picture: `text_only`."""
    pictured = np.flatnonzero(leverage.shows)
    best = pictured[np.argsort(-leverage.score[pictured], kind="stable")]
    return with_text_rows(leverage.shows, n, rng, lambda m: best[:m])


def scores(leverage: Leverage, params: Params) -> np.ndarray:
    """Leverage: float64 [n_rows]."""
    return leverage.score
