"""Order of the capabilities and replay: the staged curriculum (CADC, curation)."""

from __future__ import annotations

import numpy as np


def relative_slope(trend: np.ndarray) -> np.ndarray:
    """Least-squares slope of each capability's self-influence over snapshots, over its mean: [M, K] -> float64 [K].

    Zero for a single snapshot and for a capability without self-influence.
    """
    steps = np.arange(len(trend), dtype=np.float64)
    steps -= steps.mean()
    mean = trend.mean(0)
    slope = steps @ (trend - mean) / max(float(steps @ steps), 1.0)
    return np.divide(slope, mean, out=np.zeros_like(slope), where=mean > 0)


def stage_order(trend: np.ndarray, rule: str) -> np.ndarray:
    """Capabilities in the order they are taught: int64 [K].

    `trend`: falling self-influence (learnt early) first, rising last (CADC); `reversed`: the other way round; `mean`:
    least self-influence first; `none`: as numbered. Ties by capability.
    """
    slope = relative_slope(trend)
    keys = {"trend": slope, "reversed": -slope, "mean": trend.mean(0), "none": np.zeros(trend.shape[1])}
    return np.argsort(keys[rule], kind="stable")


def replayed(stages: list[np.ndarray], fraction: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Each stage with round(fraction * earlier rows) of the earlier stages' own rows mixed in at random places."""
    out: list[np.ndarray] = []
    for k, own in enumerate(stages):
        earlier = np.concatenate([*stages[:k], np.empty(0, np.int64)]).astype(np.int64)
        again = rng.choice(earlier, size=round(fraction * len(earlier)), replace=False) if k else earlier
        out.append(rng.permutation(np.concatenate([own, again])) if k else np.asarray(own, np.int64))
    return out
