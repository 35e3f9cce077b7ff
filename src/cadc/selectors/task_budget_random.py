"""Random selection with equal budgets per task: shows the effect of balance alone."""

from __future__ import annotations

import numpy as np

from cadc.artifacts import Selection
from cadc.config.budgets import capped_shares
from cadc.config.section import Section
from cadc.selectors.signal import Signal


class Params(Section):
    """No parameters."""


def select(signal: Signal, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """The same number of rows from every task (a smaller task gives all its rows, and the others share the rest).

    Rows are drawn without replacement within a task, and trained in random order. A task is a row's source.
    """
    tasks, index = np.unique(signal.task, return_inverse=True)
    shares = capped_shares(np.ones(len(tasks)), np.bincount(index, minlength=len(tasks)), n)
    rows = [rng.permutation(np.flatnonzero(index == k))[:share] for k, share in enumerate(shares)]
    return Selection.of_rows(rng.permutation(np.concatenate(rows)))
