"""What targeted selectors share: their parameters, the benchmark rows that they aim at, and how lists become a selection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from cadc.artifacts import Selection
from cadc.config.params import Section
from cadc.selectors.shared.retrieval import Lists, View, ranks_of_nearest, round_robin
from cadc.selectors.signal import Signal

Which = Literal["concept", "skill"]


class Params(Section):
    """targets: benchmarks by the names that capture.targets has, or one of their meta-tasks as `mmt_val/counting`; none is part of another."""

    targets: list[str] = Field(min_length=1)

    @field_validator("targets")
    @classmethod
    def _apart(cls, targets):
        for i, one in enumerate(targets):
            for other in targets[:i] + targets[i + 1 :]:
                if one == other or one.startswith(f"{other}/"):
                    raise ValueError(f"{one} is in {other}, which is named, too: its rows would count twice")
        return targets


@dataclass(frozen=True)
class Aim:
    """The pool in both views, one by one and together, and one benchmark's rows: float32 [n_queries, width] each."""

    pool: PoolViews
    concept_queries: np.ndarray
    skill_queries: np.ndarray

    def ranks(self) -> tuple[np.ndarray, np.ndarray]:
        """R_s|c and R_c|s of the benchmark rows that have an image: float64 [n] each.

        R_s|c is the place by skill, in the pool, of the row nearest by concept, and R_c|s the other way round.
        """
        shown = np.any(self.concept_queries != 0, 1)
        concept, skill = (self.pool.concept, self.concept_queries[shown]), (self.pool.skill, self.skill_queries[shown])
        return ranks_of_nearest(*concept, *skill), ranks_of_nearest(*skill, *concept)


@dataclass(frozen=True)
class PoolViews:
    """The pool's two views; `both`, made when it is asked for."""

    concept: View
    skill: View

    @classmethod
    def of(cls, concept: np.ndarray, skill: np.ndarray) -> PoolViews:
        return cls(View.of_rows(concept), View.of_rows(skill))

    @cached_property
    def both(self) -> View:
        return View.of_both(self.concept, self.skill)


def predicted(skill_by_concept: np.ndarray, concept_by_skill: np.ndarray, lower: Which) -> Which:
    """The view that a benchmark needs, by the means of R_s|c and R_c|s float64 [n]; `lower`: which one where R_s|c is the lower.

    Where rows near by concept need near skills, too, but not the other way round, concepts give both (`lower: concept`); the paper's
    text leaves open which sign stands for which view. Without any rank (no benchmark row has an image) it is skill.
    """
    if not len(skill_by_concept):
        return "skill"
    return lower if skill_by_concept.mean() < concept_by_skill.mean() else "skill" if lower == "concept" else "concept"


def rows_of_target(target: np.ndarray, name: str) -> np.ndarray:
    """Where `target` str [n_probe], each `BENCHMARK/META-TASK`, is `name` or a part of it. Raises ValueError where nothing is."""
    which = np.flatnonzero((target == name) | np.char.startswith(target, f"{name}/"))
    if not len(which):
        known = sorted({each.split("/")[0] for each in target.tolist()} | set(target.tolist()))
        raise ValueError(f"no benchmark row is of {name}; `targets` can be {', '.join(known)}")
    return which


@dataclass(frozen=True)
class Measured:
    """The lists of every target."""

    n_rows: int
    targets: list[list[Lists]]


def aimed(signal: Signal, params: Params, lists_of: Callable[[Aim], list[Lists]]) -> Measured:
    """`lists_of` every target, in the order of `targets`.

    Of the signal: `concept`, `skill` float32 [n_rows, width] of pool rows, `probe_concept`, `probe_skill` of benchmark rows, `probe_target` str.
    """
    pool, targets = PoolViews.of(signal["concept"], signal["skill"]), []
    for name in params.targets:
        which = rows_of_target(signal["probe_target"], name)
        targets.append(lists_of(Aim(pool, signal["probe_concept"][which], signal["probe_skill"][which])))
    return Measured(signal.n_rows, targets)


def select(measured: Measured, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` different rows in random order, by turns of the targets."""
    return Selection.of_rows(rng.permutation(round_robin(measured.targets, n, measured.n_rows)))
