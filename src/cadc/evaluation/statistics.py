"""Metrics of runs from their per-sample results: benchmark scores, chance-corrected scores, relative performance.
`intervals` combines several seeds, with intervals and differences."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from cadc.evaluation import catalogue

#: The headline metric of each benchmark, in percent; relative performance is the mean over these.
BENCHMARKS = {name: benchmark.title for name, benchmark in catalogue.BENCHMARKS.items()}
#: Other metrics of the leaderboard and metrics.json.
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

    `unit`: a number shared by the samples of one benchmark that belong together, across its tasks: MME's two questions
    on an image, MMBench's variants of a question, questions on one image in POPE, LLaVA-Wild, GQA, VQAv2 and TextVQA.
    They are resampled together; those of MME and MMBench are also scored together. None: a unit is a document, and
    POPE's three splits share document numbers.
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
    #: Cached groups of these arrays, because every draw needs the same ones.
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
        """The number of units in samples `at` of one benchmark, and each sample's unit: int64 [len(at)]."""
        key = ("units", int(at[0]))
        if key not in self.known:
            names, index = np.unique((self.doc if self.unit is None else self.unit)[at], return_inverse=True)
            self.known[key] = len(names), index
        return self.known[key]


def group_means(values: np.ndarray, groups: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Weighted mean of `values` by group; groups with zero total weight are left out."""
    names, index = np.unique(groups, return_inverse=True)
    total = np.bincount(index, weights, len(names))
    sums = np.bincount(index, weights * values, len(names))
    return {str(name): float(s / t) for name, s, t in zip(names, sums, total, strict=True) if t > 0}


@dataclass(frozen=True)
class _Groups:
    """n samples in G named groups: an order that keeps each group together, int64 [n], and the group boundaries in it,
    int64 [G + 1]."""

    order: np.ndarray
    edges: np.ndarray

    @classmethod
    def of(cls, names: np.ndarray) -> _Groups:
        known, index = np.unique(names, return_inverse=True)
        order = np.argsort(index, kind="stable")
        return cls(order, np.searchsorted(index[order], np.arange(len(known) + 1)))


@dataclass(frozen=True)
class _Part:
    """One benchmark's n samples: results of R runs [n, R], and the weight of each sample in B draws [B, n]."""

    samples: Samples  # of the first run; holds the fields that all runs share
    at: np.ndarray  # int64 [n], in `samples`
    score: np.ndarray
    scale: np.ndarray
    says_yes: np.ndarray
    weights: np.ndarray
    in_groups: dict[str, tuple[_Groups, np.ndarray]] = field(default_factory=dict)  # with the weights in group order

    def by(self, column: str) -> tuple[_Groups, np.ndarray]:
        """The groups of a column of the samples, and `weights` in their order."""
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
    """Weighted sums of `values` [n, R] by group: float64 [G, B, R]. weights [B, n]: in the order of the groups."""
    values = values[groups.order].astype(float)
    return np.stack([weights[:, start:end] @ values[start:end] for start, end in pairwise(groups.edges)])


def _group_means(values: np.ndarray, groups: _Groups, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means like `_group_sums`, 0 for a group without weight; and whether a group has weight: bool [G, B, 1]."""
    sums = _group_sums(np.column_stack([values, np.ones(len(values))]), groups, weights)
    total = sums[..., -1:]
    return sums[..., :-1] / np.where(total > 0, total, 1), total > 0


def _mean_of(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Mean over the groups [G, B, R] that are present [G, B, 1]: float64 [B, R]; 0 if none is."""
    return (values * there).sum(0) / np.maximum(there.sum(0), 1)


def _accuracy(name: str, part: _Part) -> dict[str, np.ndarray]:
    return {name: part.mean(part.score)}


def _pope(name: str, part: _Part) -> dict[str, np.ndarray]:
    """POPE: mean F1 of its three samplings, accuracy, and the share of yes answers.

    F1 of `yes` is computed as in lmms-eval, except that unparsed answers to present objects count as misses.
    """
    truth = part.samples.truth_yes[part.at, None]
    hits, said, present = (_group_sums(x, *part.by("task")) for x in (truth & part.says_yes, part.says_yes, truth))
    f1 = 2 * hits / np.maximum(present + said, 1e-12)
    return {name: f1.mean(0), "pope_accuracy": part.mean(part.score), "pope_yes_ratio": part.mean(part.says_yes)}


def _mmt(name: str, part: _Part) -> dict[str, np.ndarray]:
    """MMT-Bench: accuracy, mean accuracy over subtasks, and its mean over meta-tasks."""
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
    """LLaVA-in-the-Wild: the judge's points divided by those of the reference answers."""
    return {name: (part.weights @ part.score) / (part.weights @ part.scale)}


def _by_unit(part: _Part) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For U units, each resampled as one: whether all samples are correct [U, R], weights [B, U], first sample [U]."""
    _, index = part.samples.units(part.at)
    order = np.argsort(index, kind="stable")
    start = np.searchsorted(index[order], np.arange(index.max() + 1))
    first = order[start]
    return np.minimum(np.minimum.reduceat(part.score[order], start), 1), part.weights[:, first], first


def _circular(name: str, part: _Part) -> dict[str, np.ndarray]:
    """MMBench: a question counts as correct if it is correct for every order of options (CircularEval, Liu et al.
    2023)."""
    right, weights, _ = _by_unit(part)
    return {name: weights @ right / weights.sum(1, keepdims=True)}


def _mme(name: str, part: _Part) -> dict[str, np.ndarray]:
    """MME's perception and cognition scores, as a fraction of the maximum.

    Mean over subtasks of accuracy and accuracy+ (all questions on an image correct; Fu et al. 2023). lmms-eval's scores
    are 2 * n_subtasks times these. Perception represents MME, as in tables since LLaVA-1.5.
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
    telling = there & (chance < 1)  # if every guess is correct, an answer carries no information
    return _mean_of((accuracy - chance) / np.where(telling, 1 - chance, 1), telling)


def _by_benchmark(samples: Samples) -> dict[str, np.ndarray]:
    """The samples of each benchmark, int64 [n]. A task that the catalogue lacks is its own benchmark."""
    if "benchmarks" not in samples.known:
        tasks, of = np.unique(samples.task, return_inverse=True)
        benchmark = [known.benchmark if (known := catalogue.TASKS.get(task)) else str(task) for task in tasks]
        names, of_task = np.unique(benchmark, return_inverse=True)
        samples.known["benchmarks"] = {str(name): np.flatnonzero(of_task[of] == i) for i, name in enumerate(names)}
    return samples.known["benchmarks"]


def measure_draws(runs: list[Samples], weights: np.ndarray) -> dict[str, np.ndarray]:
    """All metrics of R runs on the same samples, in percent, for B weightings of these (float [B, n]): float64 [B, R]
    each.

    corrected_*: for each question form, the mean over its benchmarks of the mean over subtasks of (accuracy - chance) /
    (1 - chance), not clipped. chance is one half (yes or no), one over the number of options, the share of the most
    common answer (mini_vqa), or 0.
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
    """All metrics of one run as in `measure_draws`. weights: count of each sample (float [n], default 1)."""
    weights = np.ones(len(samples.task)) if weights is None else weights
    return {name: float(values[0, 0]) for name, values in measure_draws([samples], weights[None]).items()}


def relative(figures: dict, full: dict) -> Any:
    """Rel. %: mean over benchmarks of score / full-data score, in percent (as in COINCIDE, ICONS and PROGRESS).

    Inputs are numbers or arrays that broadcast. Benchmarks with a full-data score of 0 are left out; nan if all are.
    """
    pairs = [(figures[name], np.asarray(full[name], float)) for name in BENCHMARKS if name in figures and name in full]
    ratios = np.array([score / np.where(below > 0, below, np.nan) for score, below in pairs])
    n = np.sum(~np.isnan(ratios), axis=0)
    made = 100 * np.nansum(ratios, axis=0) / np.where(n > 0, n, np.nan)
    return float(made) if np.ndim(made) == 0 else made


def row_draws(samples: Samples, n_draws: int, rng: np.random.Generator) -> np.ndarray:
    """Bootstrap draws of the scoring rows: the count of every sample in each draw, float64 [n_draws, n].

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
