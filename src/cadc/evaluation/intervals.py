"""Confidence intervals: one rule for all tables.

An arm is a way to select rows. It has n runs, one per seed, all scored on the same rows.

- **A score** of an arm is the mean over its seeds. Its 95% interval uses Student's t with the sum of two variances. The
  first is between seeds: s^2 / n with n - 1 degrees of freedom, where s is the standard deviation over seeds. The
  second comes from the scoring rows: the variance of the mean over seeds when rows are resampled, with unlimited
  degrees of freedom. The sum has the degrees of freedom of Welch and Satterthwaite.
- **Scoring rows** are drawn with replacement (the bootstrap) within each benchmark, in units that belong together
  (`Samples.unit`): questions on one image in POPE (once for its three splits), LLaVA-Wild, MME, GQA, VQAv2 and TextVQA;
  variants of one question in MMBench. Every arm gets the same draws.
- **A difference** of two arms follows the same rule. If both have the same seeds, s is the standard deviation of the
  differences by seed. Otherwise s_a^2 / n_a and s_b^2 / n_b take its place, each with its own degrees of freedom. The
  variance of the rows is that of the difference of the two means.
- **One seed** says nothing about the spread between seeds. Interval and p-value are then nan.
- **p-values** are two-sided, from the same t. Those of a family of claims are corrected by Holm's procedure.

The coverage of an interval depends on the ratio of the two variances: 94 to 95% with five seeds, 92 to 95% with three,
lowest when rows contribute a tenth of the variance. The variation of single answers between seeds enters both
variances, which widens intervals a little.

Rel. % divides by the mean of the full-data runs. Their rows are resampled too; their seeds are not.

Sources: Satterthwaite (1946), Welch (1947), Efron (1979), Holm (1979).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from cadc.config.errors import InputError
from cadc.evaluation.statistics import Samples, measure_draws, relative, row_draws

LEVEL = 0.95
#: Fields that are equal in runs scored on the same rows.
_ROWS = ("task", "doc", "subtask", "meta_task", "truth_yes", "chance", "unit")
#: Weights held at a time, draws times samples (64 MB).
_AT_ONCE = 8_000_000


@dataclass(frozen=True)
class Estimate:
    """A score of an arm, in percent: mean and standard deviation (n - 1) over seeds, 95% interval; nan for one seed."""

    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """One arm minus another, in points, with 95% interval and two-sided p-value (nan for one seed).

    `n_seeds`: the number of seed pairs, or the smaller number of seeds if the arms have different ones (`paired` is
    false).
    """

    mean: float
    low: float
    high: float
    p: float
    n_seeds: int
    paired: bool


@dataclass(frozen=True)
class Arm:
    """Scores of one arm by metric, in percent.

    `runs`: by seed, float64 [n_seeds]. `draws`: the mean over seeds for each draw of rows, float64 [n_bootstrap].
    `rows` identifies the scoring rows and their draws: arms with equal `rows` can be compared, even if they were
    measured separately.
    """

    seeds: tuple[int, ...]
    runs: dict[str, np.ndarray]
    draws: dict[str, np.ndarray]
    rows: str

    def estimate(self, figure: str) -> Estimate:
        """One score with its 95% interval."""
        values = self.runs[figure]
        mean, seeds = float(values.mean()), _between_seeds(values)
        half, _ = _student(mean, [seeds], _of_rows(self.draws[figure]))
        return Estimate(mean, float(np.sqrt(seeds[0] * len(values))), mean - half, mean + half)

    def relative_to(self, full: Arm) -> Arm:
        """Add Rel. % (`relative`): the ratio to the mean over the seeds of `full`, for the same draws of rows."""
        _check_rows(self, full)
        by_seed = relative(self.runs, {name: values.mean() for name, values in full.runs.items()})
        return replace(
            self,
            runs=self.runs | {"relative": by_seed},
            draws=self.draws | {"relative": relative(self.draws, full.draws)},
        )


def arm_of(name: str, runs: dict[int, Samples], n_bootstrap: int, seed: int = 0) -> Arm:
    """Measure the runs of one arm, by seed, on all rows and on `n_bootstrap` draws of them.

    Draws depend only on the rows and `seed`. Raises InputError naming the arm if its runs were scored on different
    samples.
    """
    if n_bootstrap < 2:
        raise InputError(f"n_bootstrap is {n_bootstrap}; use at least 2 draws, better several hundred")
    if not runs:
        raise InputError(f"{name} has no runs")
    seeds = tuple(sorted(runs))
    samples = [runs[one] for one in seeds]
    first, rng = samples[0], np.random.default_rng(seed)
    rows = _rows_of(first)
    for one, run in zip(seeds, samples, strict=True):
        if _rows_of(run) != rows:
            raise InputError(
                f"{name}: seeds {one} and {seeds[0]} were scored on different samples; evaluate both again on the same "
                "benchmarks"
            )
    point = measure_draws(samples, np.ones((1, len(first.task))))
    draws: dict[str, list[np.ndarray]] = {figure: [] for figure in point}
    step = max(1, _AT_ONCE // len(first.task))
    for start in range(0, n_bootstrap, step):
        made = measure_draws(samples, row_draws(first, min(step, n_bootstrap - start), rng))
        for figure, values in made.items():
            draws[figure].append(values.mean(1))
    return Arm(
        seeds,
        {figure: values[0] for figure, values in point.items()},
        {figure: np.concatenate(parts) for figure, parts in draws.items()},
        f"{rows} {seed} {n_bootstrap}",
    )


def difference(a: Arm, b: Arm, figure: str) -> Difference:
    """Arm `a` minus arm `b`. Raises InputError if they were not measured on the same draws of the same samples."""
    _check_rows(a, b)
    paired = a.seeds == b.seeds
    mine, yours = a.runs[figure], b.runs[figure]
    parts = [_between_seeds(mine - yours)] if paired else [_between_seeds(mine), _between_seeds(yours)]
    mean = float(mine.mean() - yours.mean())
    half, p = _student(mean, parts, _of_rows(a.draws[figure] - b.draws[figure]))
    return Difference(mean, mean - half, mean + half, p, min(len(mine), len(yours)), paired)


def holm(p: list[float]) -> list[float]:
    """p-values adjusted for the whole family by Holm's procedure, in input order; nan stays nan."""
    order = np.argsort(p)
    steps = np.asarray(p, float)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted.tolist()


def _between_seeds(values: np.ndarray) -> tuple[float, int]:
    """Variance of the mean of independent values [n], and its degrees of freedom; nan for one value."""
    n = len(values)
    return (float(values.var(ddof=1)) / n if n > 1 else float("nan")), n - 1


def _of_rows(draws: np.ndarray) -> float:
    """Variance of a score over draws of the scoring rows [n_bootstrap]."""
    return float(draws.var(ddof=1))


def _student(mean: float, seeds: list[tuple[float, int]], rows: float) -> tuple[float, float]:
    """Half-width of the interval of `mean`, and its two-sided p-value.

    The variance is the sum of `seeds` (each with its degrees of freedom) and `rows`.
    """
    variance = sum(part for part, _ in seeds) + rows
    if np.isnan(variance):
        return float("nan"), float("nan")
    if variance == 0:
        return 0.0, float(mean == 0)
    spread = sum(part**2 / df for part, df in seeds)
    df = variance**2 / spread if spread else np.inf
    error = np.sqrt(variance)
    return float(stats.t.ppf((1 + LEVEL) / 2, df) * error), float(2 * stats.t.sf(abs(mean) / error, df))


def _rows_of(samples: Samples) -> str:
    """A digest that identifies the scoring rows of a run."""
    digest = hashlib.sha256()
    for name in _ROWS:
        values = getattr(samples, name)
        digest.update(f"{name} {values.dtype if values is not None else None}".encode())
        digest.update(b"" if values is None else np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _check_rows(a: Arm, b: Arm) -> None:
    if a.rows != b.rows:
        raise InputError(
            "arms were measured on different samples or draws; measure both with the same seed and number of draws"
        )
