"""The knock-out tree by which a greedy pick finds its next row: log2(n) games a change of score, none a pick."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit
def knock_out(scores: np.ndarray, taking_part: np.ndarray) -> np.ndarray:
    """A tree of winners int32 [2 * size], size a power of 2: tree[1] is the row of highest score, of equals the lowest.

    scores float64 [n]; taking_part bool [n]. Row i stands at leaf tree[size + i], which is -1 where i takes no part, as
    is tree[1] where none does. After a score has changed, `settle` plays the row's log2(n) games again.
    """
    size = 1
    while size < len(scores):
        size *= 2
    tree = np.full(2 * size, -1, np.int32)
    for i in range(len(scores)):
        if taking_part[i]:
            tree[size + i] = i
    for node in range(size - 1, 0, -1):
        tree[node] = _winner(tree[2 * node], tree[2 * node + 1], scores)
    return tree


@numba.njit
def settle(tree: np.ndarray, scores: np.ndarray, i: int, takes_part: bool) -> None:
    """Row i of a `knock_out` tree, whose score has changed, stays (or comes) in or goes out."""
    node = len(tree) // 2 + i
    tree[node] = i if takes_part else -1
    node //= 2
    while node:
        before, tree[node] = tree[node], _winner(tree[2 * node], tree[2 * node + 1], scores)
        if tree[node] == before and before != i:
            break
        node //= 2


@numba.njit
def _winner(left: int, right: int, scores: np.ndarray) -> int:
    """Of two rows, or -1 for none, the one of higher score; of equals the left, lower one."""
    if left < 0 or (right >= 0 and scores[right] > scores[left]):
        return right
    return left
