"""Each capability's share of an exact budget, and its rows, no row twice (CADC, curation)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cadc.artifacts import Selection
from cadc.curation.picking import clean_first, top

#: pick(capability, candidates int64 in row order, n): `n` of the candidates, or all of them where there are fewer.
Pick = Callable[[int, np.ndarray, int], np.ndarray]


def capability_budgets(weights: np.ndarray, counts: np.ndarray, n: int, clean: np.ndarray | None = None) -> np.ndarray:
    """Rows of the budget `n` for each capability, in proportion to its weight: int64 [K], exact, at most `counts`.

    weights float [K] >= 0, counts int [K] rows that serve a capability, clean int [K] how many of these are not
    doubtful (None: all). Doubtful rows count only where the clean ones of all capabilities are too few (ours).
    """
    return clean_first(np.where(counts > 0, weights, 0), counts if clean is None else clean, counts, n)


def assign(influence: np.ndarray, serves: np.ndarray, budgets: np.ndarray, pick: Pick) -> list[np.ndarray]:
    """The rows of each capability, int64 each; together sum(budgets) different rows.

    influence float32 [N, K], serves bool [N, K] the capabilities that a row may be taken for, budgets int64 [K].

    Where a row serves several capabilities, the first takes it: they pick in their order. What a capability can't fill
    passes on to the next. What the last leaves open is filled with the remaining rows of highest influence on any
    capability, so that the total is exact. The paper states none of these three rules; they are ours.
    """
    taken = np.zeros(len(influence), bool)
    chosen, open_ = [], 0
    for c, budget in enumerate(budgets.tolist()):
        wanted = budget + open_
        own = pick(c, np.flatnonzero(serves[:, c] & ~taken), wanted)
        taken[own] = True
        chosen.append(own)
        open_ = wanted - len(own)
    if open_:
        chosen[-1] = np.concatenate([chosen[-1], top(influence.max(1), np.flatnonzero(~taken), open_)])
    return chosen


def in_random_order(chosen: list[np.ndarray], rng: np.random.Generator) -> Selection:
    """The rows of all capabilities as one stage, in random order; each row keeps its capability."""
    rows = np.concatenate(chosen)
    capability = np.repeat(np.arange(len(chosen), dtype=np.int32), [len(own) for own in chosen])
    order = rng.permutation(len(rows))
    return Selection(rows[order], np.ones(len(rows), np.float32), capability[order], np.zeros(len(rows), np.int32))
