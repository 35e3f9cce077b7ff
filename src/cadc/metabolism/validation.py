"""Incremental validation: an update is kept only if it helps on the probe split (ours)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cadc.config.errors import InputError
from cadc.evaluation.statistics import Samples, measure, resampled_weights

FIGURE = "corrected_mean"  # chance-corrected mean of open, yes/no and multiple choice, in percent


@dataclass(frozen=True)
class Verdict:
    """gain: difference of the means over seeds, in points. low: lower bound of its one-sided bootstrap interval.
    by_seed: difference for each seed.
    """

    gain: float
    low: float
    by_seed: list[float]

    @property
    def accepted(self) -> bool:
        return self.low > 0


def validate(before: list[Samples], after: list[Samples], level: float, n_bootstrap: int, seed: int = 0) -> Verdict:
    """Whether `after` is better than `before`, with runs paired by seed: a paired bootstrap of the mean over seeds.

    Probe rows are resampled within each task, and seeds too. Resampling only rows would accept an update because of one
    lucky run, since some runs fail to learn a question form in time. Raises InputError if runs were asked different
    rows.
    """
    first = before[0]
    for run in (*before, *after):
        if not (np.array_equal(run.task, first.task) and np.array_equal(run.doc, first.doc)):
            raise InputError(
                "versions were scored on different probe rows; remove artifacts/scratch/metabolize and run again"
            )
    scores = [np.stack([run.score for run in runs]) for runs in (before, after)]

    def gain(seeds: np.ndarray, weights: np.ndarray | None) -> float:
        was, now = (measure(replace(first, score=score[seeds].mean(0)), weights)[FIGURE] for score in scores)
        return now - was

    rng, n = np.random.default_rng(seed), len(before)
    draws = [gain(rng.integers(0, n, n), resampled_weights(first, rng)) for _ in range(n_bootstrap)]
    by_seed = [gain(np.array([k]), None) for k in range(n)]
    return Verdict(gain(np.arange(n), None), float(np.percentile(draws, 100 * (1 - level))), by_seed)
