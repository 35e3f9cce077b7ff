"""Exact budgets: whole rows from fractions and shares."""

from __future__ import annotations

import numpy as np


def n_selected(fraction: float, n_rows: int) -> int:
    """Rows in a budget: round(fraction * n_rows), at least 1."""
    return max(1, round(fraction * n_rows))


def largest_remainder(weights: np.ndarray, total: int) -> np.ndarray:
    """Split `total` in proportion to `weights` >= 0 (Hamilton's method; ties by position). Returns int64, sums to total.

    All-zero or empty weights share alike. Raises ValueError on negative or non-finite weights.
    """
    weights = np.asarray(weights, np.float64)
    if not np.all(np.isfinite(weights)) or np.any(weights < 0):
        raise ValueError(f"budget weights must be finite and >= 0, got {weights.tolist()}")
    if weights.sum() == 0:
        weights = np.ones_like(weights)
    exact = weights / weights.sum() * total
    shares = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - shares), kind="stable")
    shares[order[: total - shares.sum()]] += 1
    return shares


def capped_shares(weights: np.ndarray, capacity: np.ndarray, total: int) -> np.ndarray:
    """`largest_remainder` under capacities: what a full group can't take goes to the others in proportion (ours).

    Raises ValueError if the capacities together hold less than `total`.
    """
    capacity = np.asarray(capacity, np.int64)
    if capacity.sum() < total:
        raise ValueError(f"a budget of {total} rows exceeds the {capacity.sum()} rows on offer")
    shares = np.zeros(len(capacity), np.int64)
    open_ = np.flatnonzero(capacity > 0)
    while (left := total - shares.sum()) > 0:
        wanted = largest_remainder(np.asarray(weights, np.float64)[open_], int(left))
        shares[open_] = np.minimum(shares[open_] + wanted, capacity[open_])
        open_ = open_[shares[open_] < capacity[open_]]
    return shares
