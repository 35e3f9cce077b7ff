"""CADC: the most influential rows of each capability that the model discovers in itself (arXiv 2510.00040).

This is the paper's curation; rules that the paper leaves open are ours. Every row is assigned to the capabilities on
which its influence is highest. A capability's budget is proportional to the mean self-influence of its rows, and is
filled with the rows of highest influence on it.

Capabilities are discovered upstream (`discover`). Stage order and replay are set by `curate.sequence` and
`curate.replay`, which work with every method. This project's own method on the same signal is `influence_coverage`.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from cadc.artifacts import Selection
from cadc.config.section import Section
from cadc.curation.assignment import assign, capability_budgets, in_random_order
from cadc.curation.attribution import attribute, trend
from cadc.curation.picking import top
from cadc.selectors.signal import Signal


class Params(Section):
    """delta: a row is assigned to every capability on which its influence is within `delta` of its maximum."""

    delta: Annotated[float, Field(ge=0)]


def select(signal: Signal, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` distinct rows with their capabilities, in random order.

    Signal: `influence` float32 [n_rows, K], `self_influence` float32 [n_snapshots, n_rows].
    """
    influence = signal["influence"]
    serves = attribute(influence, params.delta)
    mean_self_influence = trend(signal["self_influence"], serves).mean(0)
    budgets = capability_budgets(mean_self_influence, serves.sum(0), n)
    chosen = assign(influence, serves, budgets, lambda c, rows, wanted: top(influence[:, c], rows, wanted))
    return in_random_order(chosen, rng)


def scores(signal: Signal, params: Params) -> np.ndarray:
    """A row's highest influence on a capability, which ranks rows within it: float32 [n_rows]."""
    return signal["influence"].max(1)
