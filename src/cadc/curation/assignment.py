"""Split an exact budget over capabilities and assign rows to them without duplicates (CADC, curation)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cadc.artifacts import Selection
from cadc.curation.picking import clean_first, top

#: pick(capability, candidates int64 in row order, n): `n` of the candidates, or all if there are fewer.
Pick = Callable[[int, np.ndarray, int], np.ndarray]


def capability_budgets(weights: np.ndarray, counts: np.ndarray, n: int, clean: np.ndarray | None = None) -> np.ndarray:
    """Budget of each capability, proportional to its weight: int64 [K], sum `n`, at most `counts`.

    weights float [K] >= 0; counts int [K]: rows that serve a capability; clean int [K]: how many of these are not
    flagged as doubtful (None: all). Doubtful rows are used only if there are fewer than `n` clean rows (ours).
    """
    return clean_first(np.where(counts > 0, weights, 0), counts if clean is None else clean, counts, n)


def assign(influence: np.ndarray, serves: np.ndarray, budgets: np.ndarray, pick: Pick) -> list[np.ndarray]:
    """The rows of each capability, one int64 array each; sum(budgets) distinct rows in total.

    influence float32 [N, K]; serves bool [N, K]: the capabilities a row may be taken for; budgets int64 [K].

    Capabilities pick in order, so a row that serves several goes to the first. A shortfall passes on to the next
    capability. What is still missing after the last is filled with the remaining rows of highest influence on any
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
