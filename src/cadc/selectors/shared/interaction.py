"""Pool rows by both views at once: near where a row shows the same concepts and needs the same skills (ours).

The paper leaves open how concepts and skills interact (arXiv 2508.10339, its third open question). A sum lets one view
make up for the other; a product does not.
"""

from __future__ import annotations

import numpy as np

from cadc.selectors.shared.retrieval import Lists, PoolViews, alike, first_rows

_EQUAL = 1e-6  # products that differ by less are ties, as cosines are


def by_product(pool: PoolViews, concept_queries: np.ndarray, skill_queries: np.ndarray) -> Lists:
    """Lists by the product of both cosines, each at least 0, for queries float32 [n, width] of each view.

    A row without a picture has product 0, as has one that is turned away in a view; these come last, in the pool's
    order. A benchmark row without a picture goes by its skills alone.
    """
    groups = pool.both
    first = first_rows(groups.group)
    concept, skill = pool.concept.group[first], pool.skill.group[first]
    number = alike(np.concatenate([concept_queries, skill_queries], 1))
    own = first_rows(number)
    shown = np.any(concept_queries[own] != 0, 1)

    def search(which: np.ndarray, k: int) -> np.ndarray:
        return np.stack([_highest(_product(query), k) for query in which])

    def _product(query: int) -> np.ndarray:
        near = np.maximum(skill_queries[own[query]] @ pool.skill.different.T, 0)[skill]
        if shown[query]:
            near = near * np.maximum(concept_queries[own[query]] @ pool.concept.different.T, 0)[concept]
        return near

    return Lists(search, groups.members, number)


def _highest(values: np.ndarray, k: int) -> np.ndarray:
    """The places of the k highest values [n], ties by place: int64 [min(k, n)]."""
    keys = -np.rint(values.astype(np.float64) / _EQUAL).astype(np.int64) * len(values) + np.arange(len(values))
    if k >= len(values):
        return np.argsort(keys)
    found = np.argpartition(keys, k - 1)[:k]
    return found[np.argsort(keys[found])]
