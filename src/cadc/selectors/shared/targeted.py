"""What targeted selectors share: their parameters, the benchmark rows that they aim at, and how lists become a selection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from cadc.artifacts import Selection
from cadc.params import Section
from cadc.selectors.shared.retrieval import Lists, View, mutual_ranks, round_robin
from cadc.selectors.signal import Signal

Which = Literal["concept", "skill"]


class Params(Section):
    """targets: benchmarks by the names that capture.targets has, or one of their meta-tasks as `mmt_val/counting`."""

    targets: list[str] = Field(min_length=1)


@dataclass(frozen=True)
class Aim:
    """The pool in both views, and one benchmark's rows: float32 [n_queries, width] each."""

    concept: View
    skill: View
    concept_queries: np.ndarray
    skill_queries: np.ndarray

    def ranks(self) -> tuple[np.ndarray, np.ndarray]:
        """R_s|c and R_c|s of the benchmark rows that have an image: float64 [n] each."""
        shown = np.any(self.concept_queries != 0, 1)
        return mutual_ranks(self.concept, self.skill, self.concept_queries[shown], self.skill_queries[shown])


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
    """Lists that share a budget equally."""

    n_rows: int
    lists: list[Lists]


def aimed(signal: Signal, params: Params, lists_of: Callable[[Aim], list[Lists]]) -> Measured:
    """`lists_of` every target, in the order of `targets`.

    Of the signal: `concept`, `skill` float32 [n_rows, width] of pool rows, `probe_concept`, `probe_skill` of benchmark rows, `probe_target` str.
    """
    concept, skill = View(signal["concept"]), View(signal["skill"])
    lists = []
    for name in params.targets:
        which = rows_of_target(signal["probe_target"], name)
        lists += lists_of(Aim(concept, skill, signal["probe_concept"][which], signal["probe_skill"][which]))
    return Measured(signal.n_rows, lists)


def select(measured: Measured, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` different rows in random order: an equal share by each list, round-robin over its benchmark rows."""
    taken, rows = np.zeros(measured.n_rows, bool), []
    for i, lists in enumerate(measured.lists):
        rows.append(round_robin(lists, n // len(measured.lists) + (i < n % len(measured.lists)), taken))
    return Selection.of_rows(rng.permutation(np.concatenate(rows)))
