"""CADC: a balanced, staged curriculum over a model's own capabilities (arXiv 2510.00040, attribution and curation)."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from cadc.artifacts import Selection
from cadc.budgets import capped_shares
from cadc.curation.attribution import attribute, trend
from cadc.curation.ordering import replayed, stage_order
from cadc.curation.picking import diverse, top, weighted
from cadc.params import Section, Share
from cadc.selectors.signal import Signal


class Params(Section):
    """What the paper leaves open; see params.yaml for each default's reason."""

    delta: Annotated[float, Field(ge=0)]
    budget_rule: Literal["self_influence", "targets", "equal"]
    pick: Literal["top", "weighted", "diverse"]
    sequence: Literal["trend", "reversed", "mean", "none", "shuffled"]
    replay: Share


def capability_budgets(trends: np.ndarray, counts: np.ndarray, sizes: np.ndarray, n: int, rule: str) -> np.ndarray:
    """Rows of the budget per capability, exact, within `counts`: by mean self-influence (CADC), by the subtasks' weights, or alike."""
    weights = {"self_influence": trends.mean(0), "targets": sizes, "equal": np.ones(len(counts))}[rule]
    return capped_shares(np.where(counts > 0, weights, 0), counts, n)


def assign(signal: Signal, serves: np.ndarray, budgets: np.ndarray, order: np.ndarray, pick: str, rng: np.random.Generator) -> list[np.ndarray]:
    """Rows of each capability, no row twice; earlier stages choose first (ours), ties by row.

    A capability whose rows are taken passes what it can't fill on to the next; what the last leaves open is filled
    with the remaining rows of highest influence on any capability, so that the total is exact.
    """
    taken = np.zeros(signal.n_rows, bool)
    stages, open_ = [], 0
    for c in order:
        wanted = int(budgets[c]) + open_
        candidates, influence = np.flatnonzero(serves[:, c] & ~taken), signal.influence[:, c]
        if pick == "diverse":
            members = signal.capability == c
            own = diverse(signal.profile[:, members], signal.weight[members], candidates, wanted)
        elif pick == "weighted":
            own = weighted(influence, candidates, wanted, rng)
        else:
            own = top(influence, candidates, wanted)
        taken[own] = True
        stages.append(own)
        open_ = wanted - len(own)
    if open_:
        stages[-1] = np.concatenate([stages[-1], top(signal.influence.max(1), np.flatnonzero(~taken), open_)])
    return stages


def select(signal: Signal, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` different rows in stages, one a capability; later stages replay rows of earlier ones (these stand twice).

    `shuffled` is the control without a curriculum: the same rows in one stage, in random order, none replayed.
    """
    serves = attribute(signal.influence, params.delta)
    trends = trend(signal.self_influence, serves)
    sizes = np.bincount(signal.capability, signal.weight, minlength=signal.influence.shape[1])
    budgets = capability_budgets(trends, serves.sum(0), sizes, n, params.budget_rule)
    order = stage_order(trends, "none" if params.sequence == "shuffled" else params.sequence)
    own = assign(signal, serves, budgets, order, params.pick, rng)
    capability = np.full(signal.n_rows, -1, np.int32)
    for c, rows in zip(order, own, strict=True):
        capability[rows] = c
    own = [np.concatenate(own)] if params.sequence == "shuffled" else own
    stages = replayed([rng.permutation(rows) for rows in own], params.replay, rng)
    row = np.concatenate(stages)
    stage = np.repeat(np.arange(len(stages), dtype=np.int32), [len(rows) for rows in stages])
    return Selection(row, np.ones(len(row), np.float32), capability[row], stage)
