"""CADC: rows balanced over a model's own capabilities (arXiv 2510.00040, attribution and curation).

Its stages are `curate.sequence`, which any method can have: the paper never separated the two.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from cadc.artifacts import Selection
from cadc.config.params import Fraction, Section
from cadc.curation.attribution import attribute, trend
from cadc.curation.picking import clean_first, diverse, eligible, top, weighted
from cadc.selectors.signal import Signal


class Params(Section):
    """What the paper leaves open; see params.yaml for each default's reason."""

    delta: Annotated[float, Field(ge=0)]
    budget_rule: Literal["self_influence", "targets", "pool", "equal"]
    pick: Literal["top", "weighted", "diverse"]
    keep: Fraction


def capability_budgets(
    trends: np.ndarray, counts: np.ndarray, sizes: np.ndarray, n: int, rule: str, clean: np.ndarray | None = None
) -> np.ndarray:
    """Rows of the budget per capability, exact, within `counts`, the `clean` ones of each first (None: all are): by mean
    self-influence (CADC), by the subtasks' weights, by the rows that serve them, or alike."""
    weights = {"self_influence": trends.mean(0), "targets": sizes, "pool": counts, "equal": np.ones(len(counts))}[rule]
    return clean_first(np.where(counts > 0, weights, 0), counts if clean is None else clean, counts, n)


def clean_rows(signal: Signal, serves: np.ndarray, keep: float) -> np.ndarray:
    """How many rows each capability has that are not doubtful: int64 [K]."""
    members = [signal["capability"] == c for c in range(serves.shape[1])]
    return np.array(
        [
            eligible(signal["affinity"][:, own], np.flatnonzero(serves[:, c]), keep).sum()
            for c, own in enumerate(members)
        ]
    )


def assign(
    signal: Signal, serves: np.ndarray, budgets: np.ndarray, params: Params, rng: np.random.Generator
) -> list[np.ndarray]:
    """Rows of each capability, no row twice; capabilities choose in their order (ours), ties by row.

    A capability whose rows are taken passes what it can't fill on to the next; what the last leaves open is filled
    with the remaining rows of highest influence on any capability, so that the total is exact.
    """
    taken = np.zeros(signal.n_rows, bool)
    stages, open_ = [], 0
    for c in range(len(budgets)):
        wanted = int(budgets[c]) + open_
        candidates, influence = np.flatnonzero(serves[:, c] & ~taken), signal["influence"][:, c]
        if params.pick == "diverse":
            members = signal["capability"] == c
            weight = None if params.budget_rule == "pool" else signal["weight"][members]
            own = diverse(
                signal["affinity"][:, members],
                signal["purity"][:, members],
                signal["affinity"],
                weight,
                params.keep,
                candidates,
                wanted,
            )
        elif params.pick == "weighted":
            own = weighted(influence, candidates, wanted, rng)
        else:
            own = top(influence, candidates, wanted)
        taken[own] = True
        stages.append(own)
        open_ = wanted - len(own)
    if open_:
        stages[-1] = np.concatenate([stages[-1], top(signal["influence"].max(1), np.flatnonzero(~taken), open_)])
    return stages


def select(signal: Signal, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` different rows with their capabilities, in random order."""
    serves = attribute(signal["influence"], params.delta)
    trends = trend(signal["self_influence"], serves)
    sizes = np.bincount(signal["capability"], signal["weight"], minlength=signal["influence"].shape[1])
    clean = clean_rows(signal, serves, params.keep) if params.pick == "diverse" else None
    budgets = capability_budgets(trends, serves.sum(0), sizes, n, params.budget_rule, clean)
    own = assign(signal, serves, budgets, params, rng)
    capability = np.repeat(np.arange(len(own), dtype=np.int32), [len(rows) for rows in own])
    order = rng.permutation(n)
    return Selection(np.concatenate(own)[order], np.ones(n, np.float32), capability[order], np.zeros(n, np.int32))
