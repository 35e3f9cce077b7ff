"""Near-duplicate search by banding: items that agree in a band of their signature are compared."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

#: Neighbours in a bucket that each item is compared with: a bucket of 1,000 costs 8,000 comparisons, not 500,000.
WINDOW = 8

Alike = Callable[[np.ndarray, np.ndarray], np.ndarray]


def mixed(values: np.ndarray) -> np.ndarray:
    """splitmix64's finaliser (Steele et al. 2014): uint64 -> uint64, bits well mixed."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def banded(signature: np.ndarray, n_bands: int, within: np.ndarray) -> np.ndarray:
    """Keys of a signature's bands: unsigned [n, width], uint64 [n] -> uint64 [n_bands, n]. Items share a key only if
    they are also equal in `within`.
    """
    keys = np.empty((n_bands, len(signature)), np.uint64)
    for band, columns in enumerate(np.array_split(np.arange(signature.shape[1]), n_bands)):
        key = within.astype(np.uint64) + np.uint64(band)
        for column in columns:
            key = mixed(key * np.uint64(0x9E3779B97F4A7C15) + signature[:, column].astype(np.uint64))
        keys[band] = key
    return keys


def components(keys: np.ndarray, alike: Alike) -> np.ndarray:
    """Group items; returns the first item of each one's group: int64 [n].

    Two items are joined if they share a key (uint64 [n_bands, n]) and `alike(i, j)` -> bool holds. Within a bucket,
    each item is compared with the next `WINDOW` items.
    """
    n = keys.shape[1]
    left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for key in keys:
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        for step in range(1, min(WINDOW, n - 1) + 1):
            at = np.flatnonzero(ordered[step:] == ordered[:-step])
            if not len(at):
                break
            i, j = order[at], order[at + step]
            same = alike(i, j)
            left.append(i[same])
            right.append(j[same])
    pairs = np.concatenate(left), np.concatenate(right)
    _, group = connected_components(coo_matrix((np.ones(len(pairs[0]), bool), pairs), shape=(n, n)), directed=False)
    _, first = np.unique(group, return_index=True)
    return first[group]
