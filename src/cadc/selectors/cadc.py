"""CADC: the most influential rows of each capability that a model discovers in itself (arXiv 2510.00040).

This is the paper's curation and nothing else. Every row goes to the capabilities on which its influence is highest. A
capability's budget follows the mean self-influence of its rows. Its rows are those of highest influence on it.

Capabilities are discovered upstream (`discover`). The order of the stages and replay are `curate.sequence` and
`curate.replay`, which every method can have. This project's own method on the same signal is `influence_coverage`.
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
    """delta: a row serves every capability on which its influence is within `delta` of its highest."""

    delta: Annotated[float, Field(ge=0)]


def select(signal: Signal, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` different rows with their capabilities, in random order.

    Of the signal: `influence` float32 [n_rows, K], `self_influence` float32 [n_snapshots, n_rows].
    """
    influence = signal["influence"]
    serves = attribute(influence, params.delta)
    mean_self_influence = trend(signal["self_influence"], serves).mean(0)
    budgets = capability_budgets(mean_self_influence, serves.sum(0), n)
    chosen = assign(influence, serves, budgets, lambda c, rows, wanted: top(influence[:, c], rows, wanted))
    return in_random_order(chosen, rng)


def scores(signal: Signal, params: Params) -> np.ndarray:
    """A row's highest influence on a capability, by which rows are ranked inside it: float32 [n_rows]."""
    return signal["influence"].max(1)
