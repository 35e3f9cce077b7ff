"""Assign rows to capabilities, and follow each capability's self-influence (CADC, attribution and curation)."""

from __future__ import annotations

import numpy as np


def attribute(influence: np.ndarray, delta: float) -> np.ndarray:
    """Row z serves every capability with Inf(z, c) >= max_c Inf(z, c) - delta: bool [N, K]; always at least one."""
    return influence >= influence.max(1, keepdims=True) - np.float32(delta)


def trend(self_influence: np.ndarray, serves: np.ndarray) -> np.ndarray:
    """Mean self-influence of each capability's rows over snapshots: float64 [M, K]; 0 for a capability without rows."""
    counts = np.maximum(serves.sum(0), 1)
    return np.asarray(self_influence, np.float64) @ serves / counts
