"""Targeted selection: the pool rows that are nearest to the rows of the benchmarks aimed at (arXiv 2508.10339).

Two views of a row: its *concepts* (its image, by a contrastive tower) and its *skills* (those its instruction needs, as
sentences). A benchmark's rows take turns, each with its nearest pool row that is left. Parameter `view`:

    concept, skill   nearest in that view.
    auto             per benchmark the view that mutual ranking predicts, without any fine-tuning.
    sum, max         by the sum of both cosines, by the larger of both: ablations of the paper.
    split            half of the budget by concept, half by skill: an ablation of the paper.
    product          by the product of both cosines: a row must show the concepts and need the skills (ours).
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

_EQUAL = 1e-6  # products that differ by less are ties, as cosines are


class Params(Section):
    """view: by what pool rows are near; see the module.

    targets: benchmarks by the names that `capture.targets` has, or one of their meta-tasks as `mmt_val/counting`. None
    may be part of another.
    lower: of mutual ranking, the view that is taken where R_s|c is the lower of the two mean ranks. View `auto` alone
    reads it.
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
                    raise ValueError(f"{one} is in {other}, which is named, too: its rows would count twice")
        return targets


@dataclass(frozen=True)
class Measured:
    """The lists of every target."""

    n_rows: int
    targets: list[list[Lists]]


def by_product(pool: PoolViews, concept_queries: np.ndarray, skill_queries: np.ndarray) -> Lists:
    """Lists by the product of both cosines, each at least 0, for queries float32 [n, width] of each view (ours).

    The paper leaves open how concepts and skills interact. A sum lets one view make up for the other; a product does
    not. A row without a picture has product 0, as has one that is turned away in a view; these come last, in the pool's
    order. A benchmark row without a picture goes by its skills alone.
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
    """The places of the k highest values [n], ties by place: int64 [min(k, n)]."""
    keys = -np.rint(values.astype(np.float64) / _EQUAL).astype(np.int64) * len(values) + np.arange(len(values))
    if k >= len(values):
        return np.argsort(keys)
    found = np.argpartition(keys, k - 1)[:k]
    return found[np.argsort(keys[found])]


def lists_of(aim: Aim, view: str, lower: Which) -> list[Lists]:
    """One benchmark's lists by `view`: two for `split`, else one."""
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

    Of the signal: `concept`, `skill` float32 [n_rows, width] of pool rows; `probe_concept`, `probe_skill` float32
    [n_probe, width] and `probe_target` str [n_probe] of benchmark rows.
    """
    pool, targets = PoolViews.of(signal["concept"], signal["skill"]), []
    for name in params.targets:
        which = rows_of_target(signal["probe_target"], name)
        aim = Aim(pool, signal["probe_concept"][which], signal["probe_skill"][which])
        targets.append(lists_of(aim, params.view, params.lower))
    return Measured(signal.n_rows, targets)


def select(measured: Measured, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` different rows in random order. Targets take turns, and so have equal shares up to one row."""
    return Selection.of_rows(rng.permutation(round_robin(measured.targets, n, measured.n_rows)))
