"""Accuracy by subtask or meta-task, for reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from cadc.evaluation.statistics import Samples, group_means

_POINTS = "llava_in_the_wild"  # its scores are judge points, not accuracies


def accuracies(runs: Sequence[Samples], level: Literal["subtask", "meta_task"]) -> dict[str, dict[str, float]]:
    """Task -> name -> accuracy in percent, mean over runs on the same samples. Only for tasks with several names at
    that level."""
    out = {}
    for task in np.unique(runs[0].task).tolist():
        at = runs[0].task == task
        groups = getattr(runs[0], level)[at]
        if task != _POINTS and len(np.unique(groups)) > 1:
            means = group_means(np.mean([run.score[at] for run in runs], axis=0), groups, np.ones(at.sum()))
            out[task] = {name: 100 * value for name, value in means.items()}
    return out
