"""A tournament tree that finds the next row of a greedy pick: log2(n) comparisons per score change, none per pick."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit
def knock_out(scores: np.ndarray, taking_part: np.ndarray) -> np.ndarray:
    """A tree of winners int32 [2 * size], size a power of 2: tree[1] is the row of highest score, ties to the lowest
    row.

    scores float64 [n]; taking_part bool [n]. Row i is at leaf tree[size + i], which is -1 if i does not take part; so
    is tree[1] if no row does. After a score change, `settle` repeats the row's log2(n) comparisons.
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
    """Update row i of a `knock_out` tree after its score has changed; it enters, stays or leaves."""
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
    """The row of higher score, or the left (lower) one if equal; -1 means no row."""
    if left < 0 or (right >= 0 and scores[right] > scores[left]):
        return right
    return left
