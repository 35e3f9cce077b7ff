"""Uniform choice inside equal budgets per task: tells what balance alone is worth."""

from __future__ import annotations

import numpy as np

from cadc.artifacts import Selection
from cadc.config.budgets import capped_shares
from cadc.config.section import Section
from cadc.selectors.signal import Signal


class Params(Section):
    """Nothing to choose."""


def select(signal: Signal, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """The same number of rows of every task (a task too small gives all it has, the others share the rest).

    Rows are drawn without replacement inside a task and trained on in random order. A task is a row's source.
    """
    tasks, index = np.unique(signal.task, return_inverse=True)
    shares = capped_shares(np.ones(len(tasks)), np.bincount(index, minlength=len(tasks)), n)
    rows = [rng.permutation(np.flatnonzero(index == k))[:share] for k, share in enumerate(shares)]
    return Selection.of_rows(rng.permutation(np.concatenate(rows)))
