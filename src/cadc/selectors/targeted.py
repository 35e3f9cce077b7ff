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
from cadc.selectors.shared.interaction import by_product
from cadc.selectors.shared.retrieval import (
    Aim,
    Lists,
    PoolViews,
    Which,
    by_max,
    by_sum,
    by_view,
    predicted,
    round_robin,
    rows_of_target,
)
from cadc.selectors.signal import Signal


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
    def _apart(cls, targets):
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
