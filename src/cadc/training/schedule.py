"""Schedules: which row is trained on when. Training knows nothing of the method that made them."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from cadc.artifacts import Selection
from cadc.config.budgets import largest_remainder


class Schedule(Protocol):
    """Row numbers, one an example, sliced from the front on as training comes to them: an array or an `Adaptive`.

    One that is no array has `marks`, ascending numbers of examples: what comes behind one is decided by the slice that
    goes beyond it, and known up to the next.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, examples: slice, /) -> np.ndarray: ...


def epochs_for(fraction: float, plan: dict[str, float]) -> float:
    """Passes over a selection of `fraction` of the pool: the plan {b05: passes, ...}, interpolated log-log (ours)."""
    plateaus = sorted((int(key[1:]) / 100, passes) for key, passes in plan.items())
    sizes, passes = np.log(np.array(plateaus)).T
    return float(np.exp(np.interp(np.log(fraction), sizes, passes)))


def n_examples(n_rows: int, n_pool: int, plan: dict[str, float]) -> int:
    """Examples that `n_rows` of a pool of `n_pool` are trained on: `epochs_for` passes, to a whole example."""
    return round(epochs_for(n_rows / n_pool, plan) * n_rows)


def static_schedule(selection: Selection, n_examples: int) -> np.ndarray:
    """The rows to train on, one an example, in order: int64 [max(n_examples, len(selection))].

    Every stage gets its share of the examples by its number of rows and passes over them in rank order, again and
    again. With one stage that is plain epochs without reshuffling; with several, stage after stage (ours: it keeps the
    number of examples equal between methods, whether or not they replay rows).
    """
    n_examples = max(n_examples, len(selection))
    stages, counts = np.unique(selection.stage, return_counts=True)
    shares = largest_remainder(counts.astype(float), n_examples)
    return np.concatenate(
        [np.resize(selection.row[selection.stage == stage], share) for stage, share in zip(stages, shares, strict=True)]
    )
