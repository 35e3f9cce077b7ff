"""Schedules: the order of training rows. Training does not know the method that made them."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from cadc.artifacts import Selection
from cadc.config.budgets import largest_remainder


class Schedule(Protocol):
    """Row numbers, one per example, sliced front to back as training proceeds: an array or an `Adaptive`.

    A schedule that is not an array has `marks`, ascending numbers of examples. The examples after a mark are decided by
    the first slice that goes beyond it, up to the next mark.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, examples: slice, /) -> np.ndarray: ...


def epochs_for(fraction: float, plan: dict[str, float]) -> float:
    """Passes over a selection of `fraction` of the pool: log-log interpolation of {b05: passes, ...} (ours)."""
    plateaus = sorted((int(key[1:]) / 100, passes) for key, passes in plan.items())
    sizes, passes = np.log(np.array(plateaus)).T
    return float(np.exp(np.interp(np.log(fraction), sizes, passes)))


def n_examples(n_rows: int, n_pool: int, plan: dict[str, float]) -> int:
    """Training examples for `n_rows` of a pool of `n_pool`: `epochs_for` passes, rounded."""
    return round(epochs_for(n_rows / n_pool, plan) * n_rows)


def static_schedule(selection: Selection, n_examples: int) -> np.ndarray:
    """The rows to train on, one per example, in order: int64 [max(n_examples, len(selection))].

    Every stage gets examples in proportion to its number of rows, and repeats them in rank order. With one stage this
    is plain epochs without reshuffling; with several, stage after stage (ours: methods then have the same number of
    examples, whether or not they replay rows).
    """
    n_examples = max(n_examples, len(selection))
    stages, counts = np.unique(selection.stage, return_counts=True)
    shares = largest_remainder(counts.astype(float), n_examples)
    return np.concatenate(
        [np.resize(selection.row[selection.stage == stage], share) for stage, share in zip(stages, shares, strict=True)]
    )
