"""Influence coverage: cover the benchmarks' subtasks by influence, without doubtful rows (ours, not published).

It uses CADC's signal (arXiv 2510.00040): capabilities, and every row's influence on each subtask. It differs from the
selector `cadc` in the budgets and in how rows are picked:

- *Budgets* follow the benchmarks' weights (`targets`), so that every benchmark counts equally; other rules exist.
- *Doubtful rows* are left out: of the rows nearest to a subtask, only the share `keep` of highest purity is eligible.
- *Coverage*: facility location picks among a subtask's eligible rows, using their affinity to all subtasks. So every
  eligible row has a similar row in the selection, and near-duplicates come last.

With `budget_rule: self_influence` and `pick: top` it selects the same rows as `cadc`, which allows ablations.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from cadc.artifacts import Selection
from cadc.config.section import Fraction, Section
from cadc.curation.assignment import assign, capability_budgets, in_random_order
from cadc.curation.attribution import attribute, trend
from cadc.curation.picking import clean_rows, diverse, top, weighted
from cadc.selectors.signal import Signal


class Params(Section):
    """delta: a row is assigned to every capability on which its influence is within `delta` of its maximum.

    budget_rule: a capability's budget is proportional to its subtasks' weights (`targets`), its rows' mean
    self-influence (`self_influence`, CADC), its number of rows (`pool`), or equal for all (`equal`).
    pick: `diverse` covers the subtasks, `top` takes the most influential rows (CADC), `weighted` samples by influence.
    keep: share of each subtask's rows (those of highest purity) from which `diverse` picks.
    """

    delta: Annotated[float, Field(ge=0)]
    budget_rule: Literal["targets", "self_influence", "pool", "equal"]
    pick: Literal["diverse", "top", "weighted"]
    keep: Fraction


def budget_weights(signal: Signal, serves: np.ndarray, rule: str) -> np.ndarray:
    """Weights that capability budgets are proportional to: float [K]. serves bool [n_rows, K]."""
    n_capabilities = serves.shape[1]
    if rule == "self_influence":
        return trend(signal["self_influence"], serves).mean(0)
    if rule == "targets":
        return np.bincount(signal["capability"], signal["weight"], minlength=n_capabilities)
    return serves.sum(0) if rule == "pool" else np.ones(n_capabilities)


def select(signal: Signal, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` distinct rows with their capabilities, in random order.

    Signal: `influence` float32 [n_rows, K]; `affinity`, `purity` float32 [n_rows, S] on subtasks; `capability` int32
    [S] and `weight` float64 [S] of each subtask; `self_influence` float32 [n_snapshots, n_rows].
    """
    influence = signal["influence"]
    serves = attribute(influence, params.delta)
    is_diverse = params.pick == "diverse"
    clean = clean_rows(signal["affinity"], signal["capability"], serves, params.keep) if is_diverse else None
    budgets = capability_budgets(budget_weights(signal, serves, params.budget_rule), serves.sum(0), n, clean)

    def pick(c: int, candidates: np.ndarray, wanted: int) -> np.ndarray:
        if params.pick == "top":
            return top(influence[:, c], candidates, wanted)
        if params.pick == "weighted":
            return weighted(influence[:, c], candidates, wanted, rng)
        own, affinity = signal["capability"] == c, signal["affinity"]
        weight = None if params.budget_rule == "pool" else signal["weight"][own]
        return diverse(affinity[:, own], signal["purity"][:, own], affinity, weight, params.keep, candidates, wanted)

    return in_random_order(assign(influence, serves, budgets, pick), rng)


def scores(signal: Signal, params: Params) -> np.ndarray | None:
    """A row's highest influence on a capability: float32 [n_rows]; None for `diverse`, which has no ranking score."""
    return None if params.pick == "diverse" else signal["influence"].max(1)
