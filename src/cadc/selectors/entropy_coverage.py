"""Entropy coverage: rows spread over clusters and tasks as evenly as the pool allows.

Ours; CADC's reviewers asked for such a baseline.

A *cell* holds the rows of one source in one cluster. The selected rows have the highest entropy over cells that the
budget allows. Answers are not read: clusters come from images and questions.

The objective is the joint entropy H(cluster, task), not H(cluster) + H(task). The sum can be maximal with even clusters
and even tasks although most pairs of them are empty; the joint entropy rewards every pair. Its maximum for given cell
sizes is known exactly: all cells are equal up to one row, except that a smaller cell gives all its rows. What remains
open is which cells give one extra row and, with fewer rows than cells, which cells give a row at all. Cells of clusters
and tasks with few rows so far come first: a greedy step on H(cluster) + H(task).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cadc.artifacts import Selection
from cadc.config.section import Positive, Section, Seed
from cadc.selectors.shared.kmeans import spherical_kmeans
from cadc.selectors.signal import Signal


class Params(Section):
    """Spherical k-means: number of clusters, iterations, seed, and maximum training points per cluster."""

    clusters: Positive
    iterations: Positive
    seed: Seed
    points_per_cluster: Positive


@dataclass(frozen=True)
class Cells:
    """The pool's non-empty cells.

    of_row int64 [n_rows]: the cell of each row. cluster, task int64 [n_cells]: the cluster and task of each cell.
    """

    of_row: np.ndarray
    cluster: np.ndarray
    task: np.ndarray

    @classmethod
    def of(cls, cluster: np.ndarray, task: np.ndarray) -> Cells:
        """Build cells from clusters int [n_rows] and tasks [n_rows], ordered by cluster, then task."""
        _, by_cluster = np.unique(cluster, return_inverse=True)
        tasks, by_task = np.unique(task, return_inverse=True)
        pairs, of_row = np.unique(by_cluster * len(tasks) + by_task, return_inverse=True)
        return cls(of_row, pairs // len(tasks), pairs % len(tasks))

    @property
    def size(self) -> np.ndarray:
        """Rows of each cell: int64 [n_cells]."""
        return np.bincount(self.of_row, minlength=len(self.cluster))


def level_of(size: np.ndarray, n: int) -> int:
    """The highest level L with sum(min(size, L)) <= n: the number of rows that every cell gives if it has them."""
    low, high = 0, int(size.max(initial=0))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if np.minimum(size, middle).sum() <= n else (low, middle - 1)
    return low


def even_shares(cells: Cells, n: int, rng: np.random.Generator) -> np.ndarray:
    """Rows to take from each cell: int64 [n_cells], sum `n`, at most the cell's size.

    Their entropy over cells is maximal: p log p is convex, so the next row always goes to a cell with the fewest
    selected rows that has one left. `rng` breaks ties.
    """
    size = cells.size
    shares = np.minimum(size, level_of(size, n))
    able = rng.permutation(np.flatnonzero(size > shares))
    cluster, task = cells.cluster[able], cells.task[able]
    in_cluster, in_task = (np.bincount(of, shares, len(size)).astype(np.int64) for of in (cells.cluster, cells.task))
    x = np.arange(n + 1.0)
    loss = (x + 1) * np.log(x + 1) - x * np.log(np.maximum(x, 1))  # entropy lost by adding a row to x rows
    gives = np.zeros(len(able), bool)
    for _ in range(n - int(shares.sum())):
        best = int(np.argmin(np.where(gives, np.inf, loss[in_cluster[cluster]] + loss[in_task[task]])))
        gives[best] = True
        in_cluster[cluster[best]] += 1
        in_task[task[best]] += 1
    shares[able[gives]] += 1
    return shares


def measure(signal: Signal, params: Params) -> Cells:
    """Cluster the pool by image and question features, concatenated, and split clusters by task (a row's source).

    Signal: `image` float32 [n_rows, a], `sentence` float32 [n_rows, b] of the questions only; unit rows (zero without
    an image).
    """
    features = np.concatenate([signal["image"], signal["sentence"]], axis=1)
    cluster, _ = spherical_kmeans(features, params.clusters, params.iterations, params.seed, params.points_per_cluster)
    return Cells.of(cluster, signal.task)


def select(cells: Cells, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` distinct rows in random order, drawn uniformly within each cell."""
    shares = even_shares(cells, n, rng)
    by_cell = np.lexsort((rng.random(len(cells.of_row)), cells.of_row))
    place = np.arange(len(by_cell)) - (np.cumsum(cells.size) - cells.size)[cells.of_row[by_cell]]
    return Selection.of_rows(rng.permutation(by_cell[place < shares[cells.of_row[by_cell]]]))
