"""CLIP-Score: rows with the highest agreement of image and text (Hessel et al. 2021, arXiv 2104.08718)."""

from __future__ import annotations

import numpy as np

from cadc.artifacts import Selection
from cadc.config.section import Section
from cadc.selectors.shared.band import rows_in_band
from cadc.selectors.signal import Signal


class Params(Section):
    """No parameters."""


def clip_scores(image: np.ndarray, text: np.ndarray) -> np.ndarray:
    """2.5 * max(cos, 0): float32 [n_rows].

    image, text float32 [n_rows, d] in one embedding space: unit rows, or zero if a row has none.
    """
    return 2.5 * np.maximum(np.einsum("nd,nd->n", image, text), 0)


def select(signal: Signal, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """The `n` rows of highest score, in random order. Rows without an image score 0."""
    return Selection.of_rows(rng.permutation(rows_in_band(clip_scores(signal["image"], signal["text"]), n, "top")))


def scores(signal: Signal, params: Params) -> np.ndarray:
    """CLIP-Score: float32 [n_rows]."""
    return clip_scores(signal["image"], signal["text"])
