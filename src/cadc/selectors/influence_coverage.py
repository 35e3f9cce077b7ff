"""Influence coverage: rows that cover the benchmarks' subtasks by influence, doubtful rows left out (ours).

This is no published method. It takes CADC's signal (arXiv 2510.00040): capabilities, and every row's influence on each
subtask. What differs from the selector `cadc` are the budgets and the pick:

- *Budgets*: by the benchmarks' weights (`targets`), so that every benchmark counts alike; or by another rule.
- *Doubtful rows* are left out: of the rows nearest to a subtask only the share `keep` of highest purity is eligible.
- *Coverage*: among the eligible rows of a subtask facility location picks, over the rows' affinity to all subtasks. So
  every eligible row has one like it among the chosen, and near-duplicates come last.

With `budget_rule: self_influence` and `pick: top` it chooses what `cadc` chooses: the ablation between the two.
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
    """delta: a row serves every capability on which its influence is within `delta` of its highest.

    budget_rule: a capability's share is in proportion to its subtasks' weights (`targets`), to its rows' mean
    self-influence (`self_influence`, CADC), to its number of rows (`pool`), or the same for all (`equal`).
    pick: `diverse` covers the subtasks, `top` takes the most influential rows (CADC), `weighted` draws by influence.
    keep: share of each subtask's rows, those of highest purity, from which `diverse` picks.
    """

    delta: Annotated[float, Field(ge=0)]
    budget_rule: Literal["targets", "self_influence", "pool", "equal"]
    pick: Literal["diverse", "top", "weighted"]
    keep: Fraction


def budget_weights(signal: Signal, serves: np.ndarray, rule: str) -> np.ndarray:
    """What each capability's budget is in proportion to: float [K]. serves bool [n_rows, K]."""
    n_capabilities = serves.shape[1]
    if rule == "self_influence":
        return trend(signal["self_influence"], serves).mean(0)
    if rule == "targets":
        return np.bincount(signal["capability"], signal["weight"], minlength=n_capabilities)
    return serves.sum(0) if rule == "pool" else np.ones(n_capabilities)


def select(signal: Signal, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` different rows with their capabilities, in random order.

    Of the signal: `influence` float32 [n_rows, K]; `affinity`, `purity` float32 [n_rows, S] on subtasks; `capability`
    int32 [S] of each subtask and `weight` float64 [S], how much it counts; `self_influence` float32 [n_snapshots,
    n_rows].
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
    """A row's highest influence on a capability: float32 [n_rows]; None under `diverse`, which ranks by no number."""
    return None if params.pick == "diverse" else signal["influence"].max(1)
