"""Targeted selection: the pool rows nearest to the rows of the target benchmarks (arXiv 2508.10339).

A row has two views: its *concepts* (its image, embedded by a contrastive tower) and its *skills* (those its instruction
needs, embedded as sentences). Benchmark rows take turns, each with its nearest remaining pool row. Parameter `view`:

    concept, skill   nearest in that view.
    auto             the view that mutual ranking predicts for each benchmark, without fine-tuning.
    sum, max         by the sum, or the larger, of both cosines: ablations of the paper.
    split            half of the budget by concept, half by skill: an ablation of the paper.
    product          by the product of both cosines: a row must match both concepts and skills (ours).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from cadc.artifacts import Selection
from cadc.config.section import Section
from cadc.selectors.shared.retrieval import (
    Aim,
    Lists,
    PoolViews,
    Which,
    alike,
    by_max,
    by_sum,
    by_view,
    first_rows,
    predicted,
    round_robin,
    rows_of_target,
)
from cadc.selectors.signal import Signal

_EQUAL = 1e-6  # smaller differences are ties, as for cosines


class Params(Section):
    """view: how similarity of pool rows is measured; see the module.

    targets: benchmarks as named in `capture.targets`, or one of their meta-tasks such as `mmt_val/counting`. No target
    may be part of another.
    lower: the view that mutual ranking predicts if R_s|c is the lower of the two mean ranks. Only view `auto` reads it.
    """

    view: Literal["concept", "skill", "sum", "max", "split", "product", "auto"]
    targets: list[str] = Field(min_length=1)
    lower: Which

    @field_validator("targets")
    @classmethod
    def _apart(cls, targets: list[str]) -> list[str]:
        for i, one in enumerate(targets):
            for other in targets[:i] + targets[i + 1 :]:
                if one == other or one.startswith(f"{other}/"):
                    raise ValueError(f"{one} is part of {other}, which is listed too; its rows would count twice")
        return targets


@dataclass(frozen=True)
class Measured:
    """The lists of every target."""

    n_rows: int
    targets: list[list[Lists]]


def by_product(pool: PoolViews, concept_queries: np.ndarray, skill_queries: np.ndarray) -> Lists:
    """Lists by the product of both cosines, each at least 0, for queries float32 [n, width] of each view (ours).

    The paper leaves open how concepts and skills interact. In a sum one view can compensate for the other, in a product
    it can't. Rows without an image, and rows with a negative cosine in a view, have product 0 and come last, in pool
    order. A benchmark row without an image uses its skills only.
    """
    groups = pool.both
    first = first_rows(groups.group)
    concept, skill = pool.concept.group[first], pool.skill.group[first]
    number = alike(np.concatenate([concept_queries, skill_queries], 1))
    own = first_rows(number)
    shown = np.any(concept_queries[own] != 0, 1)

    def search(which: np.ndarray, k: int) -> np.ndarray:
        return np.stack([_highest(_product(query), k) for query in which])

    def _product(query: int) -> np.ndarray:
        near = np.maximum(skill_queries[own[query]] @ pool.skill.different.T, 0)[skill]
        if shown[query]:
            near = near * np.maximum(concept_queries[own[query]] @ pool.concept.different.T, 0)[concept]
        return near

    return Lists(search, groups.members, number)


def _highest(values: np.ndarray, k: int) -> np.ndarray:
    """Positions of the k highest values [n], ties broken by position: int64 [min(k, n)]."""
    keys = -np.rint(values.astype(np.float64) / _EQUAL).astype(np.int64) * len(values) + np.arange(len(values))
    if k >= len(values):
        return np.argsort(keys)
    found = np.argpartition(keys, k - 1)[:k]
    return found[np.argsort(keys[found])]


def lists_of(aim: Aim, view: str, lower: Which) -> list[Lists]:
    """The lists of one benchmark by `view`: two for `split`, else one."""
    if view == "sum":
        return [by_sum(aim.pool.both, aim.concept_queries, aim.skill_queries)]
    if view == "max":
        return [by_max(aim.pool.concept, aim.pool.skill, aim.concept_queries, aim.skill_queries)]
    if view == "product":
        return [by_product(aim.pool, aim.concept_queries, aim.skill_queries)]
    if view == "split":
        return [*lists_of(aim, "concept", lower), *lists_of(aim, "skill", lower)]
    which = predicted(*aim.ranks(), lower) if view == "auto" else view
    if which == "concept":
        return [by_view(aim.pool.concept, aim.concept_queries)]
    return [by_view(aim.pool.skill, aim.skill_queries)]


def measure(signal: Signal, params: Params) -> Measured:
    """The lists of every target, in the order of `targets`.

    Signal: `concept`, `skill` float32 [n_rows, width] of pool rows; `probe_concept`, `probe_skill` float32 [n_probe,
    width] and `probe_target` str [n_probe] of benchmark rows.
    """
    pool, targets = PoolViews.of(signal["concept"], signal["skill"]), []
    for name in params.targets:
        which = rows_of_target(signal["probe_target"], name)
        aim = Aim(pool, signal["probe_concept"][which], signal["probe_skill"][which])
        targets.append(lists_of(aim, params.view, params.lower))
    return Measured(signal.n_rows, targets)


def select(measured: Measured, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` distinct rows in random order. Targets take turns, so their shares are equal up to one row."""
    return Selection.of_rows(rng.permutation(round_robin(measured.targets, n, measured.n_rows)))
