"""Retrieval of pool rows for the rows of benchmarks: nearest in a view, filled round-robin; and which view a benchmark needs.

Sources: arXiv 2508.10339 (no released code) for the two views and the mutual ranking; how ties, exhausted lists, rows without an image
and several benchmarks are dealt with is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np

from cadc.selectors.shared.knn import matches

_ROWS = 16384  # rows against all queries at a time
_QUERIES = 256  # queries at a time against all rows
_EQUAL = 1e-6  # cosines that differ by less are ties: sums of float32 products differ by so much with the order they are taken in
_DEPTH = 64  # groups that a list begins with


def alike(rows: np.ndarray) -> np.ndarray:
    """Which rows float32 [n, d] are the same, bit for bit: int64 [n], groups numbered by their first row.

    By a 64-bit hash: that any two of 665,000 different rows share one has a probability of 1e-8.
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


@numba.njit(cache=True)
def _hash(bits, out):
    """A hash of every row uint32 [n, d], into out uint64 [n]: each word is mixed in as MurmurHash3 ends (its 64-bit finaliser)."""
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
    """Pool rows as one view shows them. Rows that are the same are one group and are searched once: images serve several rows, and skill lists
    from an inventory take few values.

    group int64 [n_rows], numbered by their first rows; different float32 [n_groups, width]: what each shows, zero where nothing.
    """

    group: np.ndarray
    different: np.ndarray

    @classmethod
    def of_rows(cls, rows: np.ndarray) -> View:
        """A view of rows float32 [n_rows, width], unit or zero. Raises ValueError where a feature is not finite."""
        group = alike(rows)
        different = np.asarray(rows[first_rows(group)], np.float32)
        if len(bad := np.flatnonzero(~np.isfinite(different).all(1))):
            raise ValueError(
                f"row {first_rows(group)[bad[0]]} of a view is not finite ({len(bad)} such rows): retrieval needs finite features"
            )
        return cls(group, different)

    @classmethod
    def of_both(cls, concept: View, skill: View) -> View:
        """Both views side by side: what a cosine is in either, an inner product is, summed, in this one."""
        group = numbered(concept.group * len(skill.different) + skill.group)
        first = first_rows(group)
        return cls(
            group, np.concatenate([concept.different[concept.group[first]], skill.different[skill.group[first]]], 1)
        )

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
    """At which place of a benchmark row's list in the view `other`, from 1, the pool row stands that is nearest to it in the view `by`.

    float64 [n_queries]. Ties share their place; where several rows are nearest because they show the same, it is the mean of theirs, so that
    the pool's order is of no account.
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


@numba.njit(cache=True)
def _mean_place(cosine, size, held):
    """The mean place of rows whose cosines are `held` float64 [m], ascending, among all: groups of `size` rows at `cosine`."""
    total = 0.0
    for j in range(len(cosine)):
        below, upto = np.searchsorted(held, cosine[j] - _EQUAL), np.searchsorted(held, cosine[j] + _EQUAL, side="right")
        total += size[j] * (below + 0.5 * (upto - below))
    return total / len(held) + 0.5


class Lists:
    """For every benchmark row, the groups of pool rows by nearness, as deep as they have been asked for.

    search(queries int [n], k) gives the k nearest groups of each, int [n, min(k, n_groups)]; members are the rows of each group, in which
    a row may be twice. queries: a number for every benchmark row; those that ask for the same have one, and one list.
    """

    def __init__(self, search: Callable[[np.ndarray, int], np.ndarray], members: list[np.ndarray], queries: np.ndarray):
        self.search, self.members, self.queries = search, members, queries
        self.found = list(search(np.arange(queries.max() + 1), _DEPTH))

    def deepen(self, which: np.ndarray) -> None:
        """These lists, all of one length, twice as deep; what they had stays in front."""
        old = [self.found[query] for query in which]
        for query, had, new in zip(which, old, self.search(which, 2 * len(old[0])), strict=True):
            self.found[query] = np.concatenate([had, new[~np.isin(new, had)]])

    def rows_in_turn(self, taken: np.ndarray) -> Iterator[int]:
        """Rows that are not `taken` bool [n_rows], as long as there are any: benchmark rows take turns, each with its nearest that is left;
        inside a group the pool's order."""
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
                self.deepen(np.flatnonzero(alike_deep & (place >= depth // 2)))  # with those that soon will be as far
            group = self.found[query][place[query]]
            rows = self.members[group]
            while used[group] < len(rows) and taken[rows[used[group]]]:
                used[group] += 1
            if used[group] < len(rows):
                return int(rows[used[group]])
            place[query] += 1


def round_robin(targets: list[list[Lists]], n: int, n_rows: int) -> np.ndarray:
    """`n` different of `n_rows` rows: targets take turns, inside a target its lists, inside a list its benchmark rows.

    So all have equal shares, up to one row, and none has the first choice of everything.
    """
    taken, chosen = np.zeros(n_rows, bool), np.empty(n, np.int64)
    streams = [[lists.rows_in_turn(taken) for lists in each] for each in targets]
    for i in range(n):
        own, turn = streams[i % len(streams)], i // len(streams)
        chosen[i] = next(own[turn % len(own)])
        taken[chosen[i]] = True
    return chosen


def by_view(view: View, queries: np.ndarray) -> Lists:
    """Lists by cosine in one view, for queries float32 [n, width]. Those that show nothing (zero) take no turn, unless none shows anything."""
    shown = queries[np.any(queries != 0, 1)] if np.any(queries) else queries[:1]
    number = alike(shown)
    different = shown[first_rows(number)]
    return Lists(lambda which, k: matches(different[which], view.different, k)[0], view.members, number)


def by_sum(both: View, concept_queries: np.ndarray, skill_queries: np.ndarray) -> Lists:
    """Lists by the sum of both cosines."""
    return by_view(both, np.concatenate([concept_queries, skill_queries], 1))


def by_max(concept: View, skill: View, concept_queries: np.ndarray, skill_queries: np.ndarray) -> Lists:
    """Lists by the larger of both cosines: those of both views merged, in which a row comes up first where it is nearer."""
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
