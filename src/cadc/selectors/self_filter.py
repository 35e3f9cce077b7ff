"""Self-Filter, stage 2: the most difficult rows, each of which makes its neighbours easier (Chen et al. 2024).

arXiv 2402.12501. Stage 1, a score-net trained along with the model, gives a row's difficulty: minus the net's output,
which is defined up to a constant only. So `paper` shifts the least difficulty to 0 first (ours, the paper is silent);
`released` takes it as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numba
import numpy as np
from pydantic import Field

from cadc.artifacts import Selection
from cadc.compute.finite import refuse_not_finite
from cadc.config.section import Positive, Section
from cadc.selectors.shared.knn import nearest, product
from cadc.selectors.shared.knock_out import knock_out, settle
from cadc.selectors.shared.unit import unit_rows
from cadc.selectors.signal import Signal

_AHEAD = 5  # times k neighbours are listed, so that k of them mostly remain


class Params(Section):
    """See params.yaml."""

    neighbors: Positive
    gamma: Annotated[float, Field(ge=0)]
    variant: Literal["paper", "released"]
    exact_rows: Positive


@dataclass(frozen=True)
class Neighbourhood:
    """difficulty float64 [n]; unit features float32 [n, d]; index int32, cosine float32 [n, 5 k], the nearest first."""

    difficulty: np.ndarray
    unit: np.ndarray
    index: np.ndarray
    cosine: np.ndarray


@numba.njit
def _nearest_left(unit: np.ndarray, tree: np.ndarray, row: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k rows still in the tree that are nearest to `row` by cosine, ties by row: (index int32, cosine float32)."""
    index, cosine, size = np.empty(k, np.int32), np.empty(k, np.float32), 0
    for j in range(len(unit)):
        if tree[len(tree) // 2 + j] < 0:
            continue
        new = np.float32(product(unit[row], unit[j]))
        if size == k and new <= cosine[k - 1]:
            continue
        at = min(size, k - 1)
        while at > 0 and cosine[at - 1] < new:
            index[at], cosine[at] = index[at - 1], cosine[at - 1]
            at -= 1
        index[at], cosine[at] = j, new
        size = min(size + 1, k)
    return index, cosine


# Not cached on disk: numba would not notice a change in knock_out.py.
@numba.njit
def pick_order(
    difficulty: np.ndarray, unit: np.ndarray, index: np.ndarray, cosine: np.ndarray, k: int, gamma: float, n: int
) -> np.ndarray:
    """The n rows in the order they are picked, int64 [n]; `difficulty` float64 is left as the picks make it.

    Of the rows that remain, the k nearest to the row picked lose gamma * its difficulty * cos^2. They come from its
    list or, where fewer than k of that remain, from a search over all that remain.
    """
    tree = knock_out(difficulty, np.ones(len(difficulty), np.bool_))
    size, order = len(tree) // 2, np.empty(n, np.int64)
    for t in range(n):
        best = tree[1]
        order[t] = best
        settle(tree, difficulty, best, False)
        n_near = min(k, len(difficulty) - t - 1)
        near, alike = np.empty(n_near, np.int32), np.empty(n_near, np.float32)
        found = 0
        for e in range(index.shape[1]):
            if found == n_near:
                break
            if tree[size + index[best, e]] >= 0:
                near[found], alike[found] = index[best, e], cosine[best, e]
                found += 1
        if found < n_near:
            near, alike = _nearest_left(unit, tree, best, n_near)
        for e in range(n_near):
            difficulty[near[e]] -= gamma * difficulty[best] * np.float64(alike[e]) ** 2
            settle(tree, difficulty, near[e], True)
    return order


def measure(signal: Signal, params: Params) -> Neighbourhood:
    """Neighbours by `features` float32 [n_rows, d] and `difficulty` float32 [n_rows] as the variant wants it.

    Raises InputError where a difficulty is not finite.
    """
    difficulty = np.asarray(signal["difficulty"], np.float64)
    refuse_not_finite({"difficulty": difficulty}, 0, fix="has the score-net diverged?")
    unit = unit_rows(signal["features"])
    index, cosine = nearest(unit, _AHEAD * params.neighbors, "cosine", params.exact_rows)
    return Neighbourhood(
        difficulty - difficulty.min() if params.variant == "paper" else difficulty, unit, index, cosine
    )


def select(measured: Neighbourhood, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` rows, the most difficult first as neighbours make each other easier, in random order."""
    order = pick_order(
        measured.difficulty.copy(), measured.unit, measured.index, measured.cosine, params.neighbors, params.gamma, n
    )
    return Selection.of_rows(rng.permutation(order))


def scores(measured: Neighbourhood, params: Params) -> np.ndarray:
    """Difficulty, before any pick makes neighbours easier: float64 [n_rows]."""
    return measured.difficulty
