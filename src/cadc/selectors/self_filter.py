"""Self-Filter, stage 2: the most difficult rows; each picked row makes its neighbours easier (Chen et al. 2024).

arXiv 2402.12501. Stage 1, a score-net trained jointly with the model, gives a row's difficulty: minus the net's output,
which is only defined up to a constant. `paper` first shifts the minimum difficulty to 0 (ours; the paper does not say);
`released` does not.
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

_AHEAD = 5  # list this many times k neighbours, so that usually k of them remain


class Params(Section):
    """conf/methods.yaml gives the source of each value."""

    neighbors: Positive
    gamma: Annotated[float, Field(ge=0)]
    variant: Literal["paper", "released"]
    exact_rows: Positive


@dataclass(frozen=True)
class Neighbourhood:
    """difficulty float64 [n]; unit features float32 [n, d]; index int32, cosine float32 [n, 5 k], nearest first."""

    difficulty: np.ndarray
    unit: np.ndarray
    index: np.ndarray
    cosine: np.ndarray


@numba.njit
def _nearest_left(unit: np.ndarray, tree: np.ndarray, row: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k remaining rows of the tree nearest to `row` by cosine, ties broken by row: (index int32, cosine
    float32)."""
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
    """The n rows in picking order, int64 [n]. Modifies `difficulty` float64.

    Of the remaining rows, the k nearest to the picked row lose gamma * its difficulty * cos^2. They come from its list
    or, if fewer than k of the list remain, from a search over all remaining rows.
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
    """Neighbours from `features` float32 [n_rows, d], and `difficulty` float32 [n_rows] as the variant defines it.

    Raises InputError if a difficulty is not finite.
    """
    difficulty = np.asarray(signal["difficulty"], np.float64)
    refuse_not_finite({"difficulty": difficulty}, 0, fix="has the score-net diverged?")
    unit = unit_rows(signal["features"])
    index, cosine = nearest(unit, _AHEAD * params.neighbors, "cosine", params.exact_rows)
    return Neighbourhood(
        difficulty - difficulty.min() if params.variant == "paper" else difficulty, unit, index, cosine
    )


def select(measured: Neighbourhood, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` rows, most difficult first while picked rows make their neighbours easier, in random order."""
    order = pick_order(
        measured.difficulty.copy(), measured.unit, measured.index, measured.cosine, params.neighbors, params.gamma, n
    )
    return Selection.of_rows(rng.permutation(order))


def scores(measured: Neighbourhood, params: Params) -> np.ndarray:
    """Difficulty before any row is picked: float64 [n_rows]."""
    return measured.difficulty
