"""Exact budgets: whole rows from fractions and shares.

Shares are computed in integers throughout, so rounding errors never decide a tie, and groups of equal weight are
treated alike in any order.
"""

from __future__ import annotations

import numpy as np


def n_selected(fraction: float, n_rows: int) -> int:
    """Rows in a budget: round(fraction * n_rows), at least 1."""
    return max(1, round(fraction * n_rows))


def largest_remainder(weights: np.ndarray, total: int) -> np.ndarray:
    """Whole shares of `total` in proportion to `weights` >= 0 (Hamilton's method; ties by position): int64 [n].

    If all weights are zero, shares are equal. Raises ValueError if weights are negative or not finite, or if `total` >
    0 and there is no group.
    """
    return capped_shares(weights, np.full(len(weights), total, np.int64), total)


def capped_shares(weights: np.ndarray, capacity: np.ndarray, total: int) -> np.ndarray:
    """`largest_remainder` with capacities: what a full group can't take goes to the others in proportion (ours).

    The exact shares are min(capacity, level * weight), with the level at which they sum to `total`; they are rounded by
    largest remainder. Groups of weight 0 share equally what is left when all others are full. Returns int64, summing to
    total. Raises ValueError if the capacities sum to less than `total`, and as `largest_remainder` does.
    """
    parts, room, total = _whole(weights), np.asarray(capacity, np.int64).tolist(), int(total)
    if len(parts) != len(room):
        raise ValueError(f"there are {len(parts)} weights and {len(room)} capacities")
    if sum(room) < total:
        raise ValueError(f"a budget of {total} rows exceeds the {sum(room)} rows available")
    shares, left = [0] * len(room), total
    weighty, weightless = ([i for i, part in enumerate(parts) if bool(part) is some] for some in (True, False))
    for open_, of in ((weighty, parts), (weightless, [1] * len(room))):
        while open_:
            whole = sum(of[i] for i in open_)
            full = {i for i in open_ if of[i] * left >= room[i] * whole}
            if not full:
                return _rounded(shares, open_, of, left)
            for i in full:
                shares[i] = room[i]
            left -= sum(room[i] for i in full)
            open_ = [i for i in open_ if i not in full]
    return np.array(shares, np.int64)


def _rounded(shares: list[int], open_: list[int], of: list[int], left: int) -> np.ndarray:
    """`shares` plus `left` rows for the groups `open_` in proportion to `of`, by largest remainder."""
    whole = sum(of[i] for i in open_)
    remainder = {}
    for i in open_:
        shares[i], remainder[i] = divmod(of[i] * left, whole)
    odd = left - sum(shares[i] for i in open_)
    for i in sorted(open_, key=lambda i: -remainder[i])[:odd]:
        shares[i] += 1
    return np.array(shares, np.int64)


def _whole(weights: np.ndarray) -> list[int]:
    """Integers in exactly the proportions of `weights` (floats are fractions over powers of two)."""
    weights = np.asarray(weights, np.float64)
    if not np.all(np.isfinite(weights)) or np.any(weights < 0):
        raise ValueError(f"budget weights must be finite and >= 0, got {weights.tolist()}")
    fractions = [weight.as_integer_ratio() for weight in weights.tolist()]
    common = max((below for _, below in fractions), default=1)
    return [above * (common // below) for above, below in fractions]
