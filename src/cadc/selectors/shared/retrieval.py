"""Retrieve pool rows for benchmark rows: nearest in a view, taken in turns; and predict which view a benchmark needs.

Source of the two views and mutual ranking: arXiv 2508.10339 (no released code). The handling of ties, exhausted lists,
rows without an image and several benchmarks is ours. The selector `targeted` retrieves; reports rank the views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from cadc.compute.compiled import njit
from cadc.compute.finite import refuse_not_finite
from cadc.config.errors import InputError
from cadc.config.targets import target_name
from cadc.selectors.shared.knn import matches

Which = Literal["concept", "skill"]

_ROWS = 16384  # rows per block, against all queries
_QUERIES = 256  # queries per block, against all rows
_EQUAL = 1e-6  # smaller differences are ties: float32 sums vary this much with their order
_DEPTH = 64  # initial number of groups in a list


def alike(rows: np.ndarray) -> np.ndarray:
    """Group rows float32 [n, d] that are bitwise identical: int64 [n], groups numbered by their first row.

    Uses a 64-bit hash: the probability that any two of 665,000 distinct rows collide is 1e-8.
    """
    hashes = np.empty(len(rows), np.uint64)
    for start in range(0, len(rows), _ROWS):
        part = np.ascontiguousarray(rows[start : start + _ROWS], np.float32) + np.float32(0)  # -0 becomes 0
        _hash(part.view(np.uint32), hashes[start : start + _ROWS])
    return numbered(hashes)


def numbered(keys: np.ndarray) -> np.ndarray:
    """Groups of equal keys [n], numbered by their first row: int64 [n]."""
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    order = np.empty(len(first), np.int64)
    order[np.argsort(first, kind="stable")] = np.arange(len(first))
    return order[group]


@njit()
def _hash(bits: np.ndarray, out: np.ndarray) -> None:
    """Hash every row uint32 [n, d] into out uint64 [n].

    Each word is mixed in with MurmurHash3's 64-bit finaliser.
    """
    for i in range(len(bits)):
        state = np.uint64(0x9E3779B97F4A7C15)
        for word in bits[i]:
            state = (state ^ np.uint64(word)) * np.uint64(0xFF51AFD7ED558CCD)
            state ^= state >> np.uint64(33)
            state *= np.uint64(0xC4CEB9FE1A85EC53)
            state ^= state >> np.uint64(29)
        out[i] = state


@dataclass(frozen=True)
class View:
    """Pool rows in one view.

    Identical rows form one group and are searched once: one image serves several rows, and skill lists from an
    inventory take few values. group int64 [n_rows], numbered by first row. different float32 [n_groups, width]: the
    features of each group, zero if it has none in this view.
    """

    group: np.ndarray
    different: np.ndarray

    @classmethod
    def of_rows(cls, rows: np.ndarray) -> View:
        """A view of rows float32 [n_rows, width], unit or zero. Raises InputError if a feature is not finite."""
        fix = "check the tower (embed.tower) and run the stage `views` again"
        refuse_not_finite({"a feature of a view": rows}, 0, fix=fix)
        group = alike(rows)
        return cls(group, np.asarray(rows[first_rows(group)], np.float32))

    @classmethod
    def of_both(cls, concept: View, skill: View) -> View:
        """Both views concatenated, so that an inner product is the sum of both cosines."""
        group = numbered(concept.group * len(skill.different) + skill.group)
        first, width = first_rows(group), concept.different.shape[1]
        different = np.empty((len(first), width + skill.different.shape[1]), np.float32)
        for start in range(0, len(first), _ROWS):  # at 665,000 rows, a second copy of the features takes gigabytes
            part = slice(start, start + _ROWS)
            different[part, :width] = concept.different[concept.group[first[part]]]
            different[part, width:] = skill.different[skill.group[first[part]]]
        return cls(group, different)

    @cached_property
    def members(self) -> list[np.ndarray]:
        """The rows of every group, in row order."""
        return np.split(np.argsort(self.group, kind="stable"), np.cumsum(np.bincount(self.group))[:-1])

    @cached_property
    def size(self) -> np.ndarray:
        return np.bincount(self.group)


def first_rows(group: np.ndarray) -> np.ndarray:
    """The first row of every group: int64 [n_groups]."""
    return np.unique(group, return_index=True)[1]


def ranks_of_nearest(by: View, queries: np.ndarray, other: View, other_queries: np.ndarray) -> np.ndarray:
    """For each benchmark row: the rank in the view `other` of the pool row that is nearest to it in the view `by`.

    float64 [n_queries], from 1. Ties share their rank. If several identical rows are nearest, their mean rank counts,
    so that the pool's order does not matter.
    """
    nearest = matches(queries, by.different, 1)[0][:, 0]
    out = np.empty(len(queries))
    for start in range(0, len(queries), _QUERIES):
        part = slice(start, start + _QUERIES)
        cosine = np.concatenate(
            [other_queries[part] @ other.different[at : at + _ROWS].T for at in range(0, len(other.different), _ROWS)],
            1,
        )
        for i, group in enumerate(nearest[part]):
            held = np.sort(cosine[i][other.group[by.members[group]]].astype(np.float64))
            out[start + i] = _mean_place(cosine[i], other.size, held)
    return out


@njit()
def _mean_place(cosine: np.ndarray, size: np.ndarray, held: np.ndarray) -> float:
    """Mean rank of rows with cosines `held` float64 [m], ascending, among groups of `size` rows each."""
    total = 0.0
    for j in range(len(cosine)):
        below, upto = np.searchsorted(held, cosine[j] - _EQUAL), np.searchsorted(held, cosine[j] + _EQUAL, side="right")
        total += size[j] * (below + 0.5 * (upto - below))
    return total / len(held) + 0.5


class Lists:
    """For every benchmark row, the groups of pool rows sorted by similarity, as deep as needed so far.

    search(queries int [n], k) returns the k nearest groups of each: int [n, min(k, n_groups)]. members: the rows of
    each group; a row may be in two groups. queries: a number for every benchmark row; identical queries share a number
    and a list.
    """

    def __init__(self, search: Callable[[np.ndarray, int], np.ndarray], members: list[np.ndarray], queries: np.ndarray):
        self.search, self.members, self.queries = search, members, queries
        self.found = list(search(np.arange(queries.max() + 1), _DEPTH))

    def deepen(self, which: np.ndarray) -> None:
        """Double the depth of these lists, which have equal lengths; their present entries stay in front."""
        old = [self.found[query] for query in which]
        for query, had, new in zip(which, old, self.search(which, 2 * len(old[0])), strict=True):
            self.found[query] = np.concatenate([had, new[~np.isin(new, had)]])

    def rows_in_turn(self, taken: np.ndarray) -> Iterator[int]:
        """Yield rows that are not `taken` bool [n_rows], as long as there are any.

        Benchmark rows take turns, each with its nearest remaining row; within a group, rows come in pool order.
        """
        place, used = np.zeros(len(self.found), np.int64), np.zeros(len(self.members), np.int64)
        while True:
            for query in self.queries:
                yield self._next(query, place, used, taken)

    def _next(self, query: int, place: np.ndarray, used: np.ndarray, taken: np.ndarray) -> int:
        while True:
            depth = len(self.found[query])
            if place[query] == depth:
                if depth == len(self.members):
                    raise IndexError("every row of the pool is taken")
                alike_deep = np.array([len(found) for found in self.found]) == depth
                self.deepen(np.flatnonzero(alike_deep & (place >= depth // 2)))  # and those that will need it soon
            group = self.found[query][place[query]]
            rows = self.members[group]
            while used[group] < len(rows) and taken[rows[used[group]]]:
                used[group] += 1
            if used[group] < len(rows):
                return int(rows[used[group]])
            place[query] += 1


def round_robin(targets: list[list[Lists]], n: int, n_rows: int) -> np.ndarray:
    """`n` distinct rows out of `n_rows`: targets take turns, then the lists of a target, then the benchmark rows of a
    list.

    So all get equal shares up to one row, and none always chooses first.
    """
    taken, chosen = np.zeros(n_rows, bool), np.empty(n, np.int64)
    streams = [[lists.rows_in_turn(taken) for lists in each] for each in targets]
    for i in range(n):
        own, turn = streams[i % len(streams)], i // len(streams)
        chosen[i] = next(own[turn % len(own)])
        taken[chosen[i]] = True
    return chosen


def by_view(view: View, queries: np.ndarray) -> Lists:
    """Lists by cosine in one view, for queries float32 [n, width].

    Queries without features (zero) are skipped, unless all are zero.
    """
    shown = queries[np.any(queries != 0, 1)] if np.any(queries) else queries[:1]
    number = alike(shown)
    different = shown[first_rows(number)]
    return Lists(lambda which, k: matches(different[which], view.different, k)[0], view.members, number)


def by_sum(both: View, concept_queries: np.ndarray, skill_queries: np.ndarray) -> Lists:
    """Lists by the sum of both cosines."""
    return by_view(both, np.concatenate([concept_queries, skill_queries], 1))


def by_max(concept: View, skill: View, concept_queries: np.ndarray, skill_queries: np.ndarray) -> Lists:
    """Lists by the larger of both cosines: the merged lists of both views. A row takes its better position."""
    number = alike(np.concatenate([concept_queries, skill_queries], 1))
    first = first_rows(number)
    head = np.concatenate([first_rows(concept.group), first_rows(skill.group)])

    def search(which: np.ndarray, k: int) -> np.ndarray:
        (one, its), (other, others) = (
            matches(concept_queries[first[which]], concept.different, k),
            matches(skill_queries[first[which]], skill.different, k),
        )
        groups, cosines = np.concatenate([one, other + len(concept.different)], 1), np.concatenate([its, others], 1)
        order = np.stack(
            [np.lexsort((head[row], -np.round(near / _EQUAL))) for row, near in zip(groups, cosines, strict=True)]
        )
        return np.take_along_axis(groups, order, 1)[:, :k]

    return Lists(search, [*concept.members, *skill.members], number)


@dataclass(frozen=True)
class PoolViews:
    """The pool in both views; `both` (concatenated) is computed on demand."""

    concept: View
    skill: View

    @classmethod
    def of(cls, concept: np.ndarray, skill: np.ndarray) -> PoolViews:
        """concept, skill float32 [n_rows, width], unit or zero rows."""
        return cls(View.of_rows(concept), View.of_rows(skill))

    @cached_property
    def both(self) -> View:
        return View.of_both(self.concept, self.skill)


@dataclass(frozen=True)
class Aim:
    """The pool in both views, and the rows of one benchmark: float32 [n_queries, width] each."""

    pool: PoolViews
    concept_queries: np.ndarray
    skill_queries: np.ndarray

    def ranks(self) -> tuple[np.ndarray, np.ndarray]:
        """R_s|c and R_c|s of the benchmark rows with an image: float64 [n] each.

        R_s|c is the rank by skill of the pool row nearest by concept; R_c|s is the reverse.
        """
        shown = np.any(self.concept_queries != 0, 1)
        concept, skill = (self.pool.concept, self.concept_queries[shown]), (self.pool.skill, self.skill_queries[shown])
        return ranks_of_nearest(*concept, *skill), ranks_of_nearest(*skill, *concept)


def predicted(skill_by_concept: np.ndarray, concept_by_skill: np.ndarray, lower: Which) -> Which:
    """The view that a benchmark needs, from the means of R_s|c and R_c|s, float64 [n] each.

    lower: the view to use if the mean of R_s|c is lower. If rows with similar concepts also need similar skills, but
    not vice versa, concepts cover both (`lower: concept`). The paper leaves open which sign means which view. Without
    ranks (no benchmark row has an image) the result is skill.
    """
    if not len(skill_by_concept):
        return "skill"
    return lower if skill_by_concept.mean() < concept_by_skill.mean() else "skill" if lower == "concept" else "concept"


def rows_of_target(target: np.ndarray, name: str) -> np.ndarray:
    """The benchmark rows whose `target` (str [n_probe], each `BENCHMARK/META-TASK`) is `name` or a part of it: int64.

    Raises InputError if there is none.
    """
    name = target_name(name)
    which = np.flatnonzero((target == name) | np.char.startswith(target, f"{name}/"))
    if not len(which):
        known = sorted({each.split("/")[0] for each in target.tolist()} | set(target.tolist()))
        raise InputError(f"no benchmark row belongs to {name}; `targets` can be {', '.join(known)}")
    return which
