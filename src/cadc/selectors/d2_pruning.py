"""D2-Pruning: important rows by margin, spread over a nearest-neighbour graph by message passing (Maharana et al.
2024).

arXiv 2310.07931. A row's score is AUM: the mean over snapshots of its margin (probability of the true token minus the
best other one). Rows with a low AUM are hard. `important: hard` scores max(AUM) - AUM >= 0, D2-Pruning's difficulty;
`easy` scores AUM itself, as COINCIDE ran this baseline on LLaVA-665K ("higher the value, easier the sample", highest
first). The authors' own code contains both signs, each marked as to be checked.

    variant   graph                          forward message                          next row
    paper     symmetric, distance d          s_i + sum_j exp(-d_ij) max(s_j, 1e-7)    the highest score
    released  each row's own k, d squared    max(s_i, 1e-7) + the same                by an approximate queue

`paper` agrees with the authors' GraphDensitySampler (sum, weighted); `released` agrees with COINCIDE's d2_prune.py,
whose queue comes from the authors' DataComp script. In both, a picked row reduces each neighbour's score by exp(-gamma
d_ij) times its own score. Rows picked late have negative scores and so raise their neighbours, but never above 0.
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
from cadc.selectors.shared.knn import nearest
from cadc.selectors.shared.knock_out import knock_out, settle
from cadc.selectors.shared.unit import unit_rows
from cadc.selectors.signal import Signal

_LEAST = 1e-7  # minimum score in a message, as in both released codes


class Params(Section):
    """conf/methods.yaml gives the source of each value."""

    neighbors: Positive
    gamma: Annotated[float, Field(ge=0)]
    variant: Literal["paper", "released"]
    important: Literal["hard", "easy"]
    unit_rows: bool
    exact_rows: Positive


@dataclass(frozen=True)
class Graph:
    """The neighbours of row i are neighbour[start[i] : start[i + 1]].

    start int64 [n + 1]; neighbour int32 [e]; distance float64 [e] (squared in variant released).
    """

    start: np.ndarray
    neighbour: np.ndarray
    distance: np.ndarray


@dataclass(frozen=True)
class Messages:
    """Results that do not depend on the budget: the graph, scores after the forward messages float64 [n], and the decay
    of the reverse messages, float64 [e]."""

    graph: Graph
    score: np.ndarray
    decay: np.ndarray
    variant: str


def importance(margin: np.ndarray, important: str) -> np.ndarray:
    """Scores float64 [n_rows] from margins [n_snapshots, n_rows]. Raises InputError if one is not finite."""
    aum = np.asarray(margin, np.float64).mean(0)
    refuse_not_finite({"the mean margin": aum}, 0)
    return aum.max() - aum if important == "hard" else aum


def neighbour_graph(rows: np.ndarray, k: int, variant: str, exact_rows: int) -> Graph:
    """Each row's k nearest by Euclidean distance; under `paper` also the rows that have it among their k nearest."""
    index, distance = nearest(rows, k, "euclidean", exact_rows)
    n, k = index.shape
    if variant == "released":
        return Graph(np.arange(n + 1) * k, index.ravel(), distance.ravel().astype(np.float64) ** 2)
    here, there = np.repeat(np.arange(n), k), index.ravel().astype(np.int64)
    edge, first = np.unique(np.concatenate([here * n + there, there * n + here]), return_index=True)
    start = np.searchsorted(edge, np.arange(n + 1) * n)
    return Graph(start, (edge % n).astype(np.int32), np.tile(distance.ravel(), 2)[first].astype(np.float64))


def forward(graph: Graph, score: np.ndarray, variant: str) -> np.ndarray:
    """Scores float64 [n] after each row has received its neighbours' messages."""
    heard = np.exp(-graph.distance) * np.maximum(score, _LEAST)[graph.neighbour]
    to = np.repeat(np.arange(len(score)), np.diff(graph.start))
    own = np.maximum(score, _LEAST) if variant == "released" else score
    return own + np.bincount(to, heard, minlength=len(score))


# Not cached on disk: numba would not notice a change in knock_out.py.
@numba.njit
def pick_order(score: np.ndarray, start: np.ndarray, neighbour: np.ndarray, decay: np.ndarray, n: int) -> np.ndarray:
    """The n rows in picking order, int64 [n].

    Modifies `score` float64 [n_rows]: it holds the result of the reverse messages; picked rows keep their last score.
    """
    tree = knock_out(score, np.ones(len(score), np.bool_))
    size, order = len(tree) // 2, np.empty(n, np.int64)
    for t in range(n):
        best = tree[1]
        order[t] = best
        settle(tree, score, best, False)
        for e in range(start[best], start[best + 1]):
            if tree[size + neighbour[e]] >= 0:
                score[neighbour[e]] -= decay[e] * score[best]
                settle(tree, score, neighbour[e], True)
    return order


@numba.njit
def queue_order(score: np.ndarray, start: np.ndarray, neighbour: np.ndarray, decay: np.ndarray, n: int) -> np.ndarray:
    """Like `pick_order`, with the released queue.

    Rows are sorted once, by their initial scores. A row whose score has fallen below that of the next in line waits.
    The best waiting row is picked as soon as the head of the line is not higher.
    """
    line = np.argsort(-score, kind="mergesort")
    tree = knock_out(score, np.zeros(len(score), np.bool_))
    size, order, t, head = len(tree) // 2, np.empty(n, np.int64), 0, 0
    while t < n:
        if tree[1] >= 0 and (head == len(line) or score[tree[1]] >= score[line[head]]):
            best = np.int64(tree[1])
            settle(tree, score, best, False)
        else:
            best = line[head]
            head += 1
            if head < len(line) and score[best] < score[line[head]]:
                settle(tree, score, best, True)
                continue
        order[t] = best
        t += 1
        for e in range(start[best], start[best + 1]):
            score[neighbour[e]] -= decay[e] * score[best]
            if tree[size + neighbour[e]] >= 0:
                settle(tree, score, neighbour[e], True)
    return order


def measure(signal: Signal, params: Params) -> Messages:
    """Graph over `hidden` float32 [n_rows, width]; forward messages from `margin` float32 [n_snapshots, n_rows]."""
    rows = unit_rows(signal["hidden"]) if params.unit_rows else signal["hidden"]
    graph = neighbour_graph(rows, params.neighbors, params.variant, params.exact_rows)
    score = forward(graph, importance(signal["margin"], params.important), params.variant)
    return Messages(graph, score, np.exp(-params.gamma * graph.distance), params.variant)


def select(measured: Messages, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` rows by reverse message passing, in random order."""
    order = queue_order if measured.variant == "released" else pick_order
    graph = measured.graph
    return Selection.of_rows(
        rng.permutation(order(measured.score.copy(), graph.start, graph.neighbour, measured.decay, n))
    )


def scores(measured: Messages, params: Params) -> np.ndarray:
    """Importance after the forward messages, before any pick: float64 [n_rows]."""
    return measured.score
