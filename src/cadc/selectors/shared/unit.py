"""Unit rows, whose inner products are cosines."""

from __future__ import annotations

import numpy as np


def unit_rows(features: np.ndarray) -> np.ndarray:
    """Rows of norm 1, float32 [n, d]; a zero row stays zero."""
    features = np.asarray(features, np.float32)
    norm = np.sqrt(np.einsum("nd,nd->n", features, features, dtype=np.float64)).astype(np.float32)
    return features / np.where(norm > 0, norm, 1)[:, None]
