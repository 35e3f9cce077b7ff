"""Figures from per-sample results: benchmark scores, chance-corrected scores, bootstrap intervals, relative performance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from cadc.evaluation import catalogue

#: The headline figure of each benchmark, all in percent: what relative performance is the mean over.
BENCHMARKS = {name: benchmark.title for name, benchmark in catalogue.BENCHMARKS.items()}
#: What else the leaderboard and metrics.json show.
OTHERS = ("pope_accuracy", "pope_yes_ratio", "mmt_subtask_mean", "mmt_meta_mean", "mme_cognition", "corrected_open", "corrected_yesno", "corrected_choice",
          "corrected_mean")  # fmt: skip
#: The tasks of each benchmark.
_TASKS = {name: [task for task, known in catalogue.TASKS.items() if known.benchmark == name] for name in BENCHMARKS}


@dataclass(frozen=True)
class Samples:
    """One run's samples as arrays [n], sorted by task and document, so that runs can be paired sample by sample.

    `unit`: the first document of those scored together (MME's two of an image, MMBench's variants of a question); None: each alone.
    """

    task: np.ndarray
    doc: np.ndarray
    subtask: np.ndarray
    meta_task: np.ndarray
    truth_yes: np.ndarray
    says_yes: np.ndarray
    score: np.ndarray
    scale: np.ndarray
    chance: np.ndarray
    unit: np.ndarray | None = None

    @classmethod
    def of_table(cls, table: pa.Table) -> Samples:
        table = table.sort_by([("task", "ascending"), ("doc", "ascending")])
        text = {name: np.array(table[name].to_pylist()) for name in ("task", "subtask", "meta_task", "answer", "prediction")}
        said = {name: np.char.lower(np.char.strip(text[name])) == "yes" for name in ("answer", "prediction")}
        numbers = {name: table[name].to_numpy() for name in ("doc", "score", "scale", "chance")}
        return cls(text["task"], numbers["doc"], text["subtask"], text["meta_task"], said["answer"], said["prediction"],
                   numbers["score"], numbers["scale"], numbers["chance"], table["unit"].to_numpy() if "unit" in table.column_names else None)  # fmt: skip

    def units(self, at: np.ndarray) -> tuple[int, np.ndarray]:
        """How many units samples `at` of one task make, and each sample's: int64 [len(at)]."""
        names, index = np.unique((self.doc if self.unit is None else self.unit)[at], return_inverse=True)
        return len(names), index


def group_means(values: np.ndarray, groups: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Weighted mean of `values` in each group; groups whose weights are all zero are left out."""
    names, index = np.unique(groups, return_inverse=True)
    total = np.bincount(index, weights, len(names))
    sums = np.bincount(index, weights * values, len(names))
    return {str(name): float(s / t) for name, s, t in zip(names, sums, total, strict=True) if t > 0}


def pope_f1(truth: np.ndarray, says: np.ndarray, weights: np.ndarray) -> float:
    """F1 of `yes` as lmms-eval's POPE counts it, but with unparsed answers to present objects as misses: in [0, 1]."""
    hit = weights[truth & says].sum()
    return float(2 * hit / max(weights[truth].sum() + weights[says].sum(), 1e-12))


def _average(samples: Samples, at: np.ndarray, weights: np.ndarray) -> float:
    return 100 * float(np.average(samples.score[at], weights=weights[at]))


def _pope(name: str, samples: Samples, at: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """POPE: the mean F1 of its three samplings, accuracy, and how often the model says yes."""
    modes = [samples.task == mode for mode in np.unique(samples.task[at])]
    return {
        name: 100 * float(np.mean([pope_f1(samples.truth_yes[m], samples.says_yes[m], weights[m]) for m in modes])),
        "pope_accuracy": _average(samples, at, weights),
        "pope_yes_ratio": 100 * float(np.average(samples.says_yes[at], weights=weights[at])),
    }


def _mmt(name: str, samples: Samples, at: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """MMT-Bench: accuracy, its mean over subtasks, and the mean over meta-tasks of that."""
    subtasks = group_means(samples.score[at], samples.subtask[at], weights[at])
    meta_of = dict(zip(samples.subtask[at], samples.meta_task[at], strict=True))
    values = list(subtasks.values())
    metas = group_means(np.array(values), np.array([meta_of[subtask] for subtask in subtasks]), np.ones(len(values)))
    return {name: _average(samples, at, weights), "mmt_subtask_mean": 100 * float(np.mean(values)), "mmt_meta_mean": 100 * float(np.mean(list(metas.values())))}


def _ratio(name: str, samples: Samples, at: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """LLaVA-in-the-Wild: the judge's points over those of the reference answers."""
    return {name: 100 * float((weights[at] * samples.score[at]).sum() / (weights[at] * samples.scale[at]).sum())}


def _by_unit(samples: Samples, at: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each unit: whether all its samples are right, its weight (that of its samples, which are drawn together), and its first sample."""
    at = np.flatnonzero(at)
    n, index = samples.units(at)
    right, weight, first = np.ones(n), np.zeros(n), np.zeros(n, int)
    np.minimum.at(right, index, samples.score[at])
    weight[index] = weights[at]
    first[index[::-1]] = at[::-1]
    return right, weight, first


def _circular(name: str, samples: Samples, at: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """MMBench: a question counts as right if it is with its options in every order shown (CircularEval, Liu et al. 2023)."""
    right, weight, _ = _by_unit(samples, at, weights)
    return {name: 100 * float(np.average(right, weights=weight))}


def _mme(name: str, samples: Samples, at: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """MME's perception and cognition, as shares of what can be reached: the mean over subtasks of accuracy and accuracy+ (all questions on
    an image right; Fu et al. 2023). lmms-eval's figures are 2 * n_subtasks times these. Perception stands in for MME, as in tables since LLaVA-1.5."""
    right, weight, first = _by_unit(samples, at, weights)
    plus = group_means(right, samples.subtask[first], weight)
    accuracy = group_means(samples.score[at], samples.subtask[at], weights[at])
    out: dict[str, float] = {}
    for part, key in ((False, name), (True, f"{name}_cognition")):
        of_part = [subtask for subtask in accuracy if (subtask in _COGNITION) == part]
        if of_part:
            out[key] = 100 * float(np.mean([(accuracy[subtask] + plus[subtask]) / 2 for subtask in of_part]))
    return out


_COGNITION = {"commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning"}
_FIGURES = {
    "accuracy": lambda name, samples, at, weights: {name: _average(samples, at, weights)},
    "pope": _pope,
    "mmt": _mmt,
    "ratio": _ratio,
    "circular": _circular,
    "mme": _mme,
}


def measure(samples: Samples, weights: np.ndarray | None = None) -> dict[str, float]:
    """All figures of one run, in percent, each sample counted `weights` times (float [n], default once).

    corrected_*: of a form of question, the mean over its benchmarks of the mean over subtasks of (accuracy - chance) / (1 - chance),
    unclipped; chance is one half (yes or no), one over the number of options, the commonest answer's share (mini_vqa) or 0.
    """
    weights = np.ones(len(samples.task)) if weights is None else weights
    out: dict[str, float] = {}

    def corrected(which: np.ndarray) -> float:
        accuracy = group_means(samples.score[which], samples.subtask[which], weights[which])
        chance = group_means(samples.chance[which], samples.subtask[which], weights[which])
        return 100 * float(np.mean([(accuracy[name] - chance[name]) / max(1 - chance[name], 1e-12) for name in accuracy]))

    forms: dict[str, list[float]] = {"open": [], "yesno": [], "choice": []}
    for name, benchmark in catalogue.BENCHMARKS.items():
        at = np.isin(samples.task, _TASKS[name])
        if at.any():
            out |= _FIGURES[benchmark.figure](name, samples, at, weights)
            if benchmark.kind in forms:
                forms[benchmark.kind].append(corrected(at))
    means = {f"corrected_{form}": float(np.mean(values)) for form, values in forms.items() if values}
    if means:
        out |= means | {"corrected_mean": float(np.mean(list(means.values())))}
    return out


def relative(figures: dict[str, float], full: dict[str, float]) -> float:
    """Rel. %: mean over benchmarks of score / full-data score, in percent (as COINCIDE, ICONS and PROGRESS report)."""
    shared = [name for name in BENCHMARKS if name in figures and full.get(name, 0) > 0]
    return 100 * float(np.mean([figures[name] / full[name] for name in shared])) if shared else float("nan")


def mean_over(runs: list[dict[str, float]]) -> dict[str, float]:
    """The mean of every figure over runs."""
    return {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}


def resampled_weights(samples: Samples, rng: np.random.Generator) -> np.ndarray:
    """One bootstrap draw of the scoring rows, within each task and in units: how often every sample counts."""
    weights = np.zeros(len(samples.task))
    for task in np.unique(samples.task):
        at = np.flatnonzero(samples.task == task)
        n, index = samples.units(at)
        weights[at] = rng.multinomial(n, np.full(n, 1 / n))[index]
    return weights


def summarise(cells: dict[tuple[str, str], list[Samples]], reference: tuple[str, str] | None, n_bootstrap: int, seed: int = 0) -> dict[tuple[str, str], dict]:
    """Mean, standard deviation over seeds and 95% interval of every figure of every (method, budget).

    The interval is the bootstrap's over scoring rows, the same draw for every method (paired), of the mean over seeds.
    `reference` is the full-data cell that `relative` divides by; None leaves it out. Raises ValueError where runs were
    scored on different samples.
    """
    first = next(iter(cells.values()))[0]
    for (method, budget), runs in cells.items():
        for run in runs:
            if not (np.array_equal(run.task, first.task) and np.array_equal(run.doc, first.doc)):
                raise ValueError(f"{method} at {budget} was scored on other samples than the rest; run `dvc repro evaluate@{method}`")

    def figures(weights: np.ndarray | None) -> dict[tuple[str, str], list[dict[str, float]]]:
        made = {cell: [measure(run, weights) for run in runs] for cell, runs in cells.items()}
        if reference is not None:
            full = mean_over(made[reference])
            for runs in made.values():
                for run in runs:
                    run["relative"] = relative(run, full)
        return made

    point = figures(None)
    rng = np.random.default_rng(seed)
    draws = [{cell: mean_over(runs) for cell, runs in figures(resampled_weights(first, rng)).items()} for _ in range(n_bootstrap)]
    out = {}
    for cell, runs in point.items():
        out[cell] = {}
        for name in runs[0]:
            values = [run[name] for run in runs]
            low, high = np.percentile([draw[cell][name] for draw in draws], [2.5, 97.5])
            out[cell][name] = {
                "mean": float(np.mean(values)),
                "sd": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
                "low": float(low),
                "high": float(high),
            }
    return out
