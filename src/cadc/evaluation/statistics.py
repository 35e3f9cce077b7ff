"""Figures of runs from their per-sample results: benchmark scores, chance-corrected scores, relative performance.

What figures of several seeds say, with intervals and differences, is in `intervals`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from cadc.evaluation import catalogue

#: The headline figure of each benchmark, all in percent: what relative performance is the mean over.
BENCHMARKS = {name: benchmark.title for name, benchmark in catalogue.BENCHMARKS.items()}
#: What else the leaderboard and metrics.json show.
OTHERS = (
    "pope_accuracy",
    "pope_yes_ratio",
    "mmt_subtask_mean",
    "mmt_meta_mean",
    "mme_cognition",
    "corrected_open",
    "corrected_yesno",
    "corrected_choice",
    "corrected_mean",
)


@dataclass(frozen=True)
class Samples:
    """One run's samples as arrays [n], sorted by task and document, so that runs can be paired sample by sample.

    `unit`: a number that samples of one benchmark share where they belong together, whichever of its tasks they are of:
    MME's two questions on an image, MMBench's variants of a question, questions on one image in POPE, LLaVA-Wild, GQA,
    VQAv2 and TextVQA. They are drawn together; MME's and MMBench's are scored together, too. None: a unit is a
    document, which POPE's three splits share by its number.
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
    #: What was worked out of these arrays before: every draw asks for the same groups.
    known: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of_table(cls, table: pa.Table) -> Samples:
        table = table.sort_by([("task", "ascending"), ("doc", "ascending")])
        text = {
            name: np.array(table[name].to_pylist()) for name in ("task", "subtask", "meta_task", "answer", "prediction")
        }
        said = {name: np.char.lower(np.char.strip(text[name])) == "yes" for name in ("answer", "prediction")}
        numbers = {name: table[name].to_numpy() for name in ("doc", "score", "scale", "chance")}
        return cls(
            task=text["task"],
            doc=numbers["doc"],
            subtask=text["subtask"],
            meta_task=text["meta_task"],
            truth_yes=said["answer"],
            says_yes=said["prediction"],
            score=numbers["score"],
            scale=numbers["scale"],
            chance=numbers["chance"],
            unit=table["unit"].to_numpy() if "unit" in table.column_names else None,
        )

    def units(self, at: np.ndarray) -> tuple[int, np.ndarray]:
        """How many units samples `at` of one benchmark make, and each sample's: int64 [len(at)]."""
        key = ("units", int(at[0]))
        if key not in self.known:
            names, index = np.unique((self.doc if self.unit is None else self.unit)[at], return_inverse=True)
            self.known[key] = len(names), index
        return self.known[key]


def group_means(values: np.ndarray, groups: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Weighted mean of `values` in each group; groups whose weights are all zero are left out."""
    names, index = np.unique(groups, return_inverse=True)
    total = np.bincount(index, weights, len(names))
    sums = np.bincount(index, weights * values, len(names))
    return {str(name): float(s / t) for name, s, t in zip(names, sums, total, strict=True) if t > 0}


@dataclass(frozen=True)
class _Groups:
    """n samples in G groups, by name: an order in which each group is together int64 [n], and where the groups begin
    and end in it int64 [G + 1]."""

    order: np.ndarray
    edges: np.ndarray

    @classmethod
    def of(cls, names: np.ndarray) -> _Groups:
        known, index = np.unique(names, return_inverse=True)
        order = np.argsort(index, kind="stable")
        return cls(order, np.searchsorted(index[order], np.arange(len(known) + 1)))


@dataclass(frozen=True)
class _Part:
    """One benchmark's n samples: what R runs say [n, R], and how often each counts in B draws [B, n]."""

    samples: Samples  # of the first run: what all have in common
    at: np.ndarray  # int64 [n], in `samples`
    score: np.ndarray
    scale: np.ndarray
    says_yes: np.ndarray
    weights: np.ndarray
    in_groups: dict[str, tuple[_Groups, np.ndarray]] = field(default_factory=dict)  # with the weights in their order

    def by(self, column: str) -> tuple[_Groups, np.ndarray]:
        """The groups that a column of the samples names, and `weights` in their order."""
        if column not in self.in_groups:
            known, key = self.samples.known, (column, int(self.at[0]))
            if key not in known:
                known[key] = _Groups.of(getattr(self.samples, column)[self.at])
            self.in_groups[column] = known[key], self.weights[:, known[key].order]
        return self.in_groups[column]

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Weighted mean of `values` [n, R] over all samples: float64 [B, R]."""
        return self.weights @ values / self.weights.sum(1, keepdims=True)


def _group_sums(values: np.ndarray, groups: _Groups, weights: np.ndarray) -> np.ndarray:
    """Sums of `values` [n, R] in each of G groups, weighted by each row of `weights` [B, n], which are in the order of
    the groups: float64 [G, B, R]."""
    values = values[groups.order].astype(float)
    return np.stack([weights[:, start:end] @ values[start:end] for start, end in pairwise(groups.edges)])


def _group_means(values: np.ndarray, groups: _Groups, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means as `_group_sums`, 0 where a group weighs nothing, and where it weighs something: bool [G, B, 1]."""
    sums = _group_sums(np.column_stack([values, np.ones(len(values))]), groups, weights)
    total = sums[..., -1:]
    return sums[..., :-1] / np.where(total > 0, total, 1), total > 0


def _mean_of(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Mean over groups [G, B, R] of those that are there [G, B, 1]: float64 [B, R]; 0 where none is."""
    return (values * there).sum(0) / np.maximum(there.sum(0), 1)


def _accuracy(name: str, part: _Part) -> dict[str, np.ndarray]:
    return {name: part.mean(part.score)}


def _pope(name: str, part: _Part) -> dict[str, np.ndarray]:
    """POPE: the mean F1 of its three samplings, accuracy, and how often the model says yes.

    F1 of `yes` is as lmms-eval counts it, but with unparsed answers to present objects as misses.
    """
    truth = part.samples.truth_yes[part.at, None]
    hits, said, present = (_group_sums(x, *part.by("task")) for x in (truth & part.says_yes, part.says_yes, truth))
    f1 = 2 * hits / np.maximum(present + said, 1e-12)
    return {name: f1.mean(0), "pope_accuracy": part.mean(part.score), "pope_yes_ratio": part.mean(part.says_yes)}


def _mmt(name: str, part: _Part) -> dict[str, np.ndarray]:
    """MMT-Bench: accuracy, its mean over subtasks, and the mean over meta-tasks of that."""
    _, first = np.unique(part.samples.subtask[part.at], return_index=True)
    meta = part.samples.meta_task[part.at][first]
    means, there = _group_means(part.score, *part.by("subtask"))
    by_meta = [(means[meta == one], there[meta == one]) for one in np.unique(meta)]
    some = np.stack([there.any(0) for _, there in by_meta])
    metas = np.stack([(means * there).sum(0) / np.maximum(there.sum(0), 1) for means, there in by_meta])
    return {
        name: part.mean(part.score),
        "mmt_subtask_mean": _mean_of(means, there),
        "mmt_meta_mean": _mean_of(metas, some),
    }


def _ratio(name: str, part: _Part) -> dict[str, np.ndarray]:
    """LLaVA-in-the-Wild: the judge's points over those of the reference answers."""
    return {name: (part.weights @ part.score) / (part.weights @ part.scale)}


def _by_unit(part: _Part) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of U units, each drawn as one: whether all samples are right [U, R], weights [B, U], the first sample [U]."""
    _, index = part.samples.units(part.at)
    order = np.argsort(index, kind="stable")
    start = np.searchsorted(index[order], np.arange(index.max() + 1))
    first = order[start]
    return np.minimum(np.minimum.reduceat(part.score[order], start), 1), part.weights[:, first], first


def _circular(name: str, part: _Part) -> dict[str, np.ndarray]:
    """MMBench: a question is right if it is with its options in every order shown (CircularEval, Liu et al. 2023)."""
    right, weights, _ = _by_unit(part)
    return {name: weights @ right / weights.sum(1, keepdims=True)}


def _mme(name: str, part: _Part) -> dict[str, np.ndarray]:
    """MME's perception and cognition, as shares of what can be reached.

    The mean over subtasks of accuracy and accuracy+ (all questions on an image right; Fu et al. 2023). lmms-eval's
    figures are 2 * n_subtasks times these. Perception stands in for MME, as in tables since LLaVA-1.5.
    """
    subtask = part.samples.subtask[part.at]
    accuracy, there = _group_means(part.score, *part.by("subtask"))
    right, weights, first = _by_unit(part)
    groups = _Groups.of(subtask[first])
    plus, _ = _group_means(right, groups, weights[:, groups.order])
    cognition = np.isin(np.unique(subtask), _COGNITION)
    kinds = ((name, ~cognition), (f"{name}_cognition", cognition))
    return {key: _mean_of((accuracy + plus)[of] / 2, there[of]) for key, of in kinds if of.any()}


_COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
_FIGURES = {"accuracy": _accuracy, "pope": _pope, "mmt": _mmt, "ratio": _ratio, "circular": _circular, "mme": _mme}


def _corrected(part: _Part) -> np.ndarray:
    """Mean over subtasks of (accuracy - chance) / (1 - chance): float64 [B, R]."""
    accuracy, there = _group_means(part.score, *part.by("subtask"))
    chance, _ = _group_means(part.samples.chance[part.at, None], *part.by("subtask"))
    telling = there & (chance < 1)  # where every guess is right, an answer says nothing
    return _mean_of((accuracy - chance) / np.where(telling, 1 - chance, 1), telling)


def _by_benchmark(samples: Samples) -> dict[str, np.ndarray]:
    """The samples of each benchmark, int64 [n]; a task that the catalogue lacks is a benchmark of its own."""
    if "benchmarks" not in samples.known:
        tasks, of = np.unique(samples.task, return_inverse=True)
        benchmark = [known.benchmark if (known := catalogue.TASKS.get(task)) else str(task) for task in tasks]
        names, of_task = np.unique(benchmark, return_inverse=True)
        samples.known["benchmarks"] = {str(name): np.flatnonzero(of_task[of] == i) for i, name in enumerate(names)}
    return samples.known["benchmarks"]


def measure_draws(runs: list[Samples], weights: np.ndarray) -> dict[str, np.ndarray]:
    """All figures of R runs on the same samples, in percent, at B weightings of these (float [B, n]).

    float64 [B, R] each. corrected_*: of a form of question, the mean over its benchmarks of the mean over subtasks of
    (accuracy - chance) / (1 - chance), unclipped; chance is one half (yes or no), one over the number of options, the
    commonest answer's share (mini_vqa) or 0.
    """
    first = runs[0]
    score, scale, says = (
        np.column_stack([getattr(run, key) for run in runs]) for key in ("score", "scale", "says_yes")
    )
    where, out = _by_benchmark(first), {}
    forms: dict[str, list[np.ndarray]] = {"open": [], "yesno": [], "choice": []}
    for name, benchmark in catalogue.BENCHMARKS.items():
        at = where.get(name)
        if at is not None:
            part = _Part(first, at, score[at], scale[at], says[at], weights[:, at])
            out |= _FIGURES[benchmark.figure](name, part)
            if benchmark.kind in forms:
                forms[benchmark.kind].append(_corrected(part))
    means = {f"corrected_{form}": np.mean(values, axis=0) for form, values in forms.items() if values}
    if means:
        out |= means | {"corrected_mean": np.mean(list(means.values()), axis=0)}
    return {name: 100 * values for name, values in out.items()}


def measure(samples: Samples, weights: np.ndarray | None = None) -> dict[str, float]:
    """All figures of one run, as `measure_draws`, each sample counted `weights` times (float [n], default once)."""
    weights = np.ones(len(samples.task)) if weights is None else weights
    return {name: float(values[0, 0]) for name, values in measure_draws([samples], weights[None]).items()}


def relative(figures: dict, full: dict) -> Any:
    """Rel. %: mean over benchmarks of score / full-data score, in percent (as COINCIDE, ICONS and PROGRESS report).

    Figures are numbers or arrays that broadcast. A benchmark whose full-data score is 0 is left out; nan where all are.
    """
    pairs = [(figures[name], np.asarray(full[name], float)) for name in BENCHMARKS if name in figures and name in full]
    ratios = np.array([score / np.where(below > 0, below, np.nan) for score, below in pairs])
    n = np.sum(~np.isnan(ratios), axis=0)
    made = 100 * np.nansum(ratios, axis=0) / np.where(n > 0, n, np.nan)
    return float(made) if np.ndim(made) == 0 else made


def row_draws(samples: Samples, n_draws: int, rng: np.random.Generator) -> np.ndarray:
    """Bootstrap draws of the scoring rows: how often every sample counts in each, float64 [n_draws, n].

    Units are drawn with replacement within each benchmark, once for all of its tasks.
    """
    weights = np.empty((n_draws, len(samples.task)))
    for at in _by_benchmark(samples).values():
        n, index = samples.units(at)
        weights[:, at] = rng.multinomial(n, np.full(n, 1 / n), n_draws)[:, index]
    return weights


def resampled_weights(samples: Samples, rng: np.random.Generator) -> np.ndarray:
    """One draw of `row_draws`: float64 [n]."""
    return row_draws(samples, 1, rng)[0]
