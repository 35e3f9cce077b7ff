"""Retrieval of pool rows for the rows of benchmarks: nearest in a view, filled round-robin; and which view a benchmark needs.

Sources: arXiv 2508.10339 (no released code) for the two views and the mutual ranking; how ties, exhausted lists, rows without an image
and several benchmarks are dealt with is ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numba
import numpy as np

from cadc.selectors.shared.knn import matches

_ROWS = 16384  # rows against all queries at a time
_EQUAL = 1e-6  # cosines that differ by less are ties: sums of float32 products differ by so much with the order they are taken in


def alike(rows: np.ndarray) -> np.ndarray:
    """Which rows float32 [n, d] are the same, bit for bit: int64 [n], groups numbered by their first row.

    By a 64-bit hash: two of 665,000 different rows share one with a probability of 1e-8.
    """
    bits = np.ascontiguousarray(np.asarray(rows, np.float32) + np.float32(0)).view(np.uint32)  # -0 becomes 0
    weights = np.random.default_rng(0).integers(1, 2**63, bits.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    hashes = np.concatenate([bits[start : start + _ROWS] @ weights for start in range(0, len(bits), _ROWS)])
    _, first, group = np.unique(hashes, return_index=True, return_inverse=True)
    order = np.empty(len(first), np.int64)
    order[np.argsort(first, kind="stable")] = np.arange(len(first))
    return order[group]


@dataclass(frozen=True)
class View:
    """Pool rows as one view shows them: float32 [n_rows, width], unit rows, or zero where a row shows nothing.

    Rows that are the same are searched once: skill lists from an inventory take few values, and images serve several rows.
    """

    rows: np.ndarray

    @cached_property
    def group(self) -> np.ndarray:
        return alike(self.rows)

    @cached_property
    def members(self) -> list[np.ndarray]:
        """The rows of every group, in row order."""
        order = np.argsort(self.group, kind="stable")
        return np.split(order, np.cumsum(np.bincount(self.group))[:-1])

    @cached_property
    def different(self) -> np.ndarray:
        return np.asarray(self.rows[[rows[0] for rows in self.members]], np.float32)

    def groups_for(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest groups to each of `queries` float32 [n_queries, width]: (index, cosine)."""
        return matches(queries, self.different, k)


def rank_of(view: View, queries: np.ndarray, row: np.ndarray) -> np.ndarray:
    """At which place of a query's list its `row` int64 [n_queries] stands in the view, from 1: float64 [n_queries]; ties share theirs."""
    score = np.einsum("qd,qd->q", queries, view.different[view.group[row]], dtype=np.float64)
    counts, size = np.zeros((len(queries), 2), np.int64), np.bincount(view.group)
    for start in range(0, len(view.different), _ROWS):
        part = slice(start, start + _ROWS)
        _count(queries @ view.different[part].T, score, size[part], counts)
    return counts[:, 0] + (counts[:, 1] + 1) / 2


@numba.njit(cache=True)
def _count(cosine, score, size, counts):
    """Add up, for every query, the rows that are nearer than `score` and those that are as near; `size` rows stand for each column."""
    for i in range(len(cosine)):
        for j in range(len(size)):
            apart = cosine[i, j] - score[i]
            if apart > _EQUAL:
                counts[i, 0] += size[j]
            elif apart >= -_EQUAL:
                counts[i, 1] += size[j]


def mutual_ranks(concept: View, skill: View, concept_queries: np.ndarray, skill_queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R_s|c and R_c|s of every benchmark row: float64 [n_queries] each.

    R_s|c is the place, in the skill view, of the row that is nearest in the concept view, and R_c|s the other way round; of rows that are
    equally near the first of the pool. Benchmark rows without an image are to be left out.
    """
    nearest = [
        np.array([view.members[group][0] for group in view.groups_for(q, 1)[0][:, 0]]) for view, q in ((concept, concept_queries), (skill, skill_queries))
    ]
    return rank_of(skill, skill_queries, nearest[0]), rank_of(concept, concept_queries, nearest[1])


@dataclass
class Lists:
    """For every benchmark row the groups of pool rows by nearness, as deep as has been asked for.

    search(k) gives the k nearest groups of every query, int [n_queries, min(k, n_groups)]; members are the rows of each group.
    """

    search: Callable[[int], np.ndarray]
    members: list[np.ndarray]
    found: np.ndarray = field(init=False)

    def __post_init__(self):
        self.found = self.search(64)

    def deeper(self) -> bool:
        """Twice as deep, if there is more."""
        if self.found.shape[1] == len(self.members):
            return False
        self.found = self.search(2 * self.found.shape[1])
        return True


def round_robin(lists: Lists, n: int, taken: np.ndarray) -> np.ndarray:
    """`n` rows that are not `taken` bool [n_rows], which is marked: benchmark rows take turns, each with its nearest that is left.

    Inside a group rows follow the pool's order. Fewer only where the whole pool is taken.
    """
    n = min(n, len(taken) - int(taken.sum()))
    place, used = np.zeros(len(lists.found), np.int64), np.zeros(len(lists.members), np.int64)
    chosen: list[int] = []

    def next_row(query: int) -> int:
        while True:
            while place[query] < lists.found.shape[1]:
                group = lists.found[query, place[query]]
                rows = lists.members[group]
                while used[group] < len(rows) and taken[rows[used[group]]]:
                    used[group] += 1
                if used[group] < len(rows):
                    return rows[used[group]]
                place[query] += 1
            lists.deeper()  # never in vain: some row is left, and the whole list holds every row

    while len(chosen) < n:
        for query in range(min(len(place), n - len(chosen))):
            row = next_row(query)
            taken[row] = True
            chosen.append(row)
    return np.array(chosen, np.int64)


def by_view(view: View, queries: np.ndarray) -> Lists:
    """Lists by cosine in one view. Queries that show nothing (zero) take no turn, unless none shows anything."""
    shown = queries[np.any(queries != 0, 1)] if np.any(queries) else queries[:1]
    return Lists(lambda k: view.groups_for(shown, k)[0], view.members)


def by_sum(concept: View, skill: View, concept_queries: np.ndarray, skill_queries: np.ndarray) -> Lists:
    """Lists by the sum of both cosines."""
    both = View(np.concatenate([concept.rows, skill.rows], 1))
    queries = np.concatenate([concept_queries, skill_queries], 1)
    return Lists(lambda k: both.groups_for(queries, k)[0], both.members)


def by_max(concept: View, skill: View, concept_queries: np.ndarray, skill_queries: np.ndarray) -> Lists:
    """Lists by the larger of both cosines: those of both views merged, in which a row comes up first where it is nearer."""

    def search(k: int) -> np.ndarray:
        (one, its), (other, others) = concept.groups_for(concept_queries, k), skill.groups_for(skill_queries, k)
        groups, cosines = np.concatenate([one, other + len(concept.members)], 1), np.concatenate([its, others], 1)
        return np.take_along_axis(groups, np.argsort(-cosines, 1, kind="stable"), 1)[:, :k]

    return Lists(search, [*concept.members, *skill.members])
