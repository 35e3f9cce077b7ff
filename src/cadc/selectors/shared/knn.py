"""Nearest neighbours with faiss, exact or with inverted lists."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import faiss
import numpy as np

from cadc.compute.compiled import njit
from cadc.compute.finite import refuse_not_finite
from cadc.config.environment import whole_number

_BLOCK = 4096  # rows per search, fixed so that results do not depend on the number of workers
_QUERIES = 256  # the same for few queries and many rows
_SPARE = 10  # extra candidates, because float32 distances may misorder them
_BLUR = 1e-5  # float32 error of faiss's products of two rows of length up to 2
_LISTS_PROBED = 16  # of 4 * sqrt(rows)
_SEED = 0


def nearest(
    rows: np.ndarray, k: int, metric: Literal["euclidean", "cosine"], exact_rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest neighbours of each row of `rows` float32 [n, d]: (index int32, value float32) [n, min(k, n - 1)].

    euclidean: values are distances, ascending. cosine: rows are unit or zero, values are cosines, descending. Ties are
    broken by row, lowest first. A duplicate of a row is its neighbour at distance 0.

    Up to `exact_rows` rows, every pair is compared. Beyond, rows are split into 4 * sqrt(n) lists by k-means (IVF,
    faiss), and each search covers 16 lists. For 50,000 rows in 300 groups this finds 99.5% of the 5 nearest and 94% of
    the 50 nearest in 64 dimensions, and all in 512 (for a Gaussian cloud without groups in 64 dimensions: 29% of 5).

    faiss computes in float32 from norms and products, which is inaccurate for near-duplicates. So the distances of its
    candidates are recomputed from differences in float64, in a fixed summation order. CADC_WORKERS (default 1) blocks
    are searched in parallel, each on one thread; their number does not change the result. Raises InputError if a
    feature is not finite.
    """
    rows = np.ascontiguousarray(rows, np.float32)
    n, k = len(rows), min(k, len(rows) - 1)
    refuse_not_finite({"a feature": rows}, 0, fix="has the proxy diverged? Lower proxy.learning_rate")
    if k < 1:
        return np.empty((n, 0), np.int32), np.empty((n, 0), np.float32)
    cosine, wanted = metric == "cosine", min(k + 1 + _SPARE, n)
    measure = faiss.METRIC_INNER_PRODUCT if cosine else faiss.METRIC_L2
    lists = _lists(rows, measure) if n > exact_rows else None

    def search(start: int) -> tuple[np.ndarray, np.ndarray]:
        queries = rows[start : start + _BLOCK]
        if lists is None:
            found = faiss.knn(queries, rows, wanted, metric=measure)[1]
        else:
            found = lists.search(queries, wanted)[1]
            if len(short := np.flatnonzero((found < 0).any(1))):  # 16 lists held too few rows
                found[short] = faiss.knn(queries[short], rows, wanted, metric=measure)[1]
        return _sorted_candidates(queries, rows, start, found, k, cosine)

    return _blockwise(search, n, _BLOCK)


def matches(queries: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k of `rows` float32 [n, d] with the largest inner product with each of `queries` float32 [n_queries, d].

    (index int64, product float64), both [n_queries, min(k, n)], descending; ties are broken by row, lowest first.

    Products are float64 in a fixed summation order. faiss only proposes candidates in float32, and is asked for more if
    it may have left out a tie. Every pair is compared. Workers as in `nearest`; rows should have length about 1.
    """
    queries, rows = np.ascontiguousarray(queries, np.float32), np.ascontiguousarray(rows, np.float32)
    k = min(k, len(rows))

    def search(start: int) -> tuple[np.ndarray, np.ndarray]:
        block = queries[start : start + _QUERIES]
        index, value = np.empty((len(block), k), np.int64), np.empty((len(block), k))
        index[:], value[:] = np.arange(k), 0.0  # result for a zero query
        open_, wanted = np.flatnonzero(block.any(1)), min(k + _SPARE, len(rows))
        while len(open_):
            near, found = faiss.knn(block[open_], rows, wanted, metric=faiss.METRIC_INNER_PRODUCT)
            exact = _products(block[open_], rows, found)
            order = np.stack([np.lexsort((who, -what))[:k] for who, what in zip(found, exact, strict=True)])
            index[open_], value[open_] = np.take_along_axis(found, order, 1), np.take_along_axis(exact, order, 1)
            if wanted == len(rows):
                break
            open_ = open_[near[:, -1] > value[open_, -1] - _BLUR]
            wanted = min(4 * wanted, len(rows))
        return index, value

    return _blockwise(search, len(queries), _QUERIES)


def _blockwise(
    search: Callable[[int], tuple[np.ndarray, np.ndarray]], n: int, block: int
) -> tuple[np.ndarray, np.ndarray]:
    """`search(start)` for every block of n queries, CADC_WORKERS in parallel, concatenated in order."""
    with ThreadPoolExecutor(
        whole_number("CADC_WORKERS", 1) or 1, initializer=faiss.omp_set_num_threads, initargs=(1,)
    ) as workers:
        blocks = list(workers.map(search, range(0, max(n, 1), block)))
    return np.concatenate([index for index, _ in blocks]), np.concatenate([value for _, value in blocks])


def _lists(rows: np.ndarray, measure: int) -> faiss.IndexIVFFlat:
    """The rows in 4 * sqrt(n) inverted lists, by k-means on at most 64 rows per list."""
    faiss.omp_set_num_threads(1)
    coarse = (
        faiss.IndexFlatIP(rows.shape[1]) if measure == faiss.METRIC_INNER_PRODUCT else faiss.IndexFlatL2(rows.shape[1])
    )
    lists = faiss.IndexIVFFlat(coarse, rows.shape[1], int(4 * np.sqrt(len(rows))), measure)
    lists.cp.seed, lists.cp.min_points_per_centroid, lists.cp.max_points_per_centroid = _SEED, 1, 64
    lists.nprobe = _LISTS_PROBED
    lists.train(rows)
    lists.add(rows)
    return lists


@njit(nogil=True)
def product(x: np.ndarray, y: np.ndarray) -> float:
    """Inner product of two rows float32 [d], in float64."""
    total = 0.0
    for i in range(len(x)):
        total += np.float64(x[i]) * y[i]
    return total


@njit(nogil=True)
def _products(queries: np.ndarray, rows: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Inner products of each query with the rows `found` int64 [n, m]: float64 [n, m]."""
    out = np.empty(found.shape)
    for i in range(len(found)):
        for j in range(found.shape[1]):
            out[i, j] = product(queries[i], rows[found[i, j]])
    return out


@njit(nogil=True)
def _distance(x: np.ndarray, y: np.ndarray) -> float:
    """Euclidean distance of two rows float32 [d], in float64."""
    total = 0.0
    for i in range(len(x)):
        total += (np.float64(x[i]) - y[i]) ** 2
    return np.sqrt(total)


@njit(nogil=True)
def _sorted_candidates(
    queries: np.ndarray, rows: np.ndarray, start: int, found: np.ndarray, k: int, cosine: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The first k of the candidates `found` int64 [n, m] of `queries`, sorted by exact value, then by row.

    The queries are rows start, start + 1, ...
    """
    index, value = np.empty((len(found), k), np.int32), np.empty((len(found), k), np.float32)
    apart, who = np.empty(found.shape[1], np.float32), np.empty(found.shape[1], np.int32)
    for i in range(len(found)):
        size = 0
        for j in found[i]:
            if j == start + i:
                continue
            new = np.float32(-product(queries[i], rows[j]) if cosine else _distance(queries[i], rows[j]))
            at = size
            while at > 0 and (apart[at - 1] > new or (apart[at - 1] == new and who[at - 1] > j)):
                apart[at], who[at] = apart[at - 1], who[at - 1]
                at -= 1
            apart[at], who[at] = new, j
            size += 1
        index[i] = who[:k]
        value[i] = -apart[:k] if cosine else apart[:k]
    return index, value
