"""The staged curriculum: order of capabilities, and replay (CADC, curation). Works with any method's rows."""

from __future__ import annotations

import numpy as np

from cadc.artifacts import Selection
from cadc.config.arms import Sequence


def relative_slope(trend: np.ndarray) -> np.ndarray:
    """Least-squares slope of each capability's self-influence over snapshots, divided by its mean: [M, K] -> float64
    [K].

    Zero for a single snapshot and for a capability without self-influence.
    """
    steps = np.arange(len(trend), dtype=np.float64)
    steps -= steps.mean()
    mean = trend.mean(0)
    slope = steps @ (trend - mean) / max(float(steps @ steps), 1.0)
    return np.divide(slope, mean, out=np.zeros_like(slope), where=mean > 0)


def stage_order(trend: np.ndarray, rule: Sequence, rng: np.random.Generator) -> np.ndarray:
    """The training order of capabilities: int64 [K].

    `trend`: falling self-influence (learnt early) first, rising last (CADC); `reversed`: the opposite; `mean`: lowest
    self-influence first; `shuffled`: random. Ties are broken by capability.
    """
    slope = relative_slope(trend)
    keys = {"trend": slope, "reversed": -slope, "mean": trend.mean(0), "shuffled": rng.random(trend.shape[1])}
    return np.argsort(keys[rule], kind="stable")


def replayed(stages: list[np.ndarray], fraction: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Mix round(fraction * earlier rows) rows of the earlier stages into each stage, at random positions."""
    out: list[np.ndarray] = []
    for k, own in enumerate(stages):
        earlier = np.concatenate([*stages[:k], np.empty(0, np.int64)]).astype(np.int64)
        again = rng.choice(earlier, size=round(fraction * len(earlier)), replace=False) if k else earlier
        out.append(rng.permutation(np.concatenate([own, again])) if k else np.asarray(own, np.int64))
    return out


def sequenced(
    selection: Selection, best: np.ndarray, trend: np.ndarray, rule: Sequence, replay: float, rng: np.random.Generator
) -> Selection:
    """Arrange the selection in stages, one per capability; later stages replay a share of the earlier rows (CADC).

    best int [N]: the capability of rows to which the method assigned none. trend float64 [M, K]. Rule `none` keeps the
    method's order. The set of selected rows stays the same; a replayed row occurs twice.
    """
    if rule == "none":
        return selection
    capability = np.where(selection.capability < 0, best[selection.row], selection.capability).astype(np.int32)
    order = [c for c in stage_order(trend, rule, rng) if (capability == c).any()]
    of_row = dict(zip(selection.row.tolist(), capability.tolist(), strict=True))
    stages = replayed([selection.row[capability == c] for c in order], replay, rng)
    row = np.concatenate(stages)
    stage = np.repeat(np.arange(len(stages), dtype=np.int32), [len(rows) for rows in stages])
    weight = dict(zip(selection.row.tolist(), selection.weight.tolist(), strict=True))
    return Selection(
        row,
        np.array([weight[z] for z in row.tolist()], np.float32),
        np.array([of_row[z] for z in row.tolist()], np.int32),
        stage,
    )
