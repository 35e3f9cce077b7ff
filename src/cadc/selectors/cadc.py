"""CADC: a balanced, staged curriculum over a model's own capabilities (arXiv 2510.00040, attribution and curation)."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from cadc.artifacts import Selection
from cadc.budgets import capped_shares
from cadc.curation.attribution import attribute, trend
from cadc.curation.ordering import replayed, stage_order
from cadc.params import Section, Share
from cadc.selectors.signal import Signal


class Params(Section):
    """What the paper leaves open; see params.yaml for each default's reason."""

    delta: Annotated[float, Field(ge=0)]
    budget_rule: Literal["self_influence", "equal"]
    sequence: Literal["trend", "none"]
    replay: Share


def capability_budgets(trends: np.ndarray, counts: np.ndarray, n: int, rule: str) -> np.ndarray:
    """Rows of the budget per capability: in proportion to mean self-influence, or alike; exact, within `counts`."""
    weights = trends.mean(0) if rule == "self_influence" else np.ones(trends.shape[1])
    return capped_shares(np.where(counts > 0, weights, 0), counts, n)


def assign(influence: np.ndarray, serves: np.ndarray, budgets: np.ndarray, order: np.ndarray) -> list[np.ndarray]:
    """Top rows of each capability by Inf(z, c), no row twice; earlier stages choose first (ours), ties by row.

    A capability whose rows are taken passes what it can't fill on to the next; what the last leaves open is filled
    with the remaining rows of highest influence on any capability, so that the total is exact.
    """
    taken = np.zeros(len(influence), bool)
    stages, open_ = [], 0
    for c in order:
        wanted = int(budgets[c]) + open_
        ranked = np.argsort(-influence[:, c], kind="stable")
        own = ranked[serves[ranked, c] & ~taken[ranked]][:wanted]
        taken[own] = True
        stages.append(own)
        open_ = wanted - len(own)
    if open_:
        ranked = np.argsort(-influence.max(1), kind="stable")
        stages[-1] = np.concatenate([stages[-1], ranked[~taken[ranked]][:open_]])
    return stages


def select(signal: Signal, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` different rows in stages, one a capability; later stages replay rows of earlier ones (these stand twice)."""
    serves = attribute(signal.influence, params.delta)
    trends = trend(signal.self_influence, serves)
    budgets = capability_budgets(trends, serves.sum(0), n, params.budget_rule)
    order = stage_order(trends, params.sequence)
    own = assign(signal.influence, serves, budgets, order)
    capability = np.full(signal.n_rows, -1, np.int32)
    for c, rows in zip(order, own, strict=True):
        capability[rows] = c
    stages = replayed([rng.permutation(rows) for rows in own], params.replay, rng)
    row = np.concatenate(stages)
    stage = np.repeat(np.arange(len(stages), dtype=np.int32), [len(rows) for rows in stages])
    return Selection(row, np.ones(len(row), np.float32), capability[row], stage)
