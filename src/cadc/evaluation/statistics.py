"""Figures from per-sample results: benchmark scores, chance-corrected scores, bootstrap intervals, relative performance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

#: The headline figure of each benchmark, all in percent: what relative performance is the mean over.
BENCHMARKS = {"pope_f1": "POPE F1", "mmt_accuracy": "MMT-Bench", "llava_wild": "LLaVA-Wild", "vqa_accuracy": "mini VQA"}
#: What else the leaderboard and metrics.json show.
OTHERS = ("pope_accuracy", "pope_yes_ratio", "mmt_subtask_mean", "mmt_meta_mean", "corrected_open", "corrected_yesno", "corrected_choice", "corrected_mean")


@dataclass(frozen=True)
class Samples:
    """One run's samples as arrays [n], sorted by task and document, so that runs can be paired sample by sample."""

    task: np.ndarray
    doc: np.ndarray
    subtask: np.ndarray
    meta_task: np.ndarray
    truth_yes: np.ndarray
    says_yes: np.ndarray
    score: np.ndarray
    scale: np.ndarray
    chance: np.ndarray

    @classmethod
    def of_table(cls, table: pa.Table) -> Samples:
        table = table.sort_by([("task", "ascending"), ("doc", "ascending")])
        text = {name: np.array(table[name].to_pylist()) for name in ("task", "subtask", "meta_task", "answer", "prediction")}
        said = {name: np.char.lower(np.char.strip(text[name])) == "yes" for name in ("answer", "prediction")}
        numbers = {name: table[name].to_numpy() for name in ("doc", "score", "scale", "chance")}
        return cls(text["task"], numbers["doc"], text["subtask"], text["meta_task"], said["answer"], said["prediction"],
                   numbers["score"], numbers["scale"], numbers["chance"])  # fmt: skip


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


def measure(samples: Samples, weights: np.ndarray | None = None) -> dict[str, float]:
    """All figures of one run, in percent, each sample counted `weights` times (float [n], default once).

    corrected_*: mean over subtasks of (accuracy - chance) / (1 - chance), unclipped; chance is one half (POPE), one
    over the number of options (MMT-Bench) or the commonest answer's share (mini_vqa).
    """
    weights = np.ones(len(samples.task)) if weights is None else weights
    out: dict[str, float] = {}

    def corrected(which: np.ndarray) -> float:
        accuracy = group_means(samples.score[which], samples.subtask[which], weights[which])
        chance = group_means(samples.chance[which], samples.subtask[which], weights[which])
        return 100 * float(np.mean([(accuracy[name] - chance[name]) / max(1 - chance[name], 1e-12) for name in accuracy]))

    pope = np.char.startswith(samples.task, "pope")
    if pope.any():
        modes = [samples.task == mode for mode in np.unique(samples.task[pope])]
        out["pope_f1"] = 100 * float(np.mean([pope_f1(samples.truth_yes[m], samples.says_yes[m], weights[m]) for m in modes]))
        out["pope_accuracy"] = 100 * float(np.average(samples.score[pope], weights=weights[pope]))
        out["pope_yes_ratio"] = 100 * float(np.average(samples.says_yes[pope], weights=weights[pope]))
        out["corrected_yesno"] = corrected(pope)
    mmt = samples.task == "mmt_val"
    if mmt.any():
        out["mmt_accuracy"] = 100 * float(np.average(samples.score[mmt], weights=weights[mmt]))
        subtasks = group_means(samples.score[mmt], samples.subtask[mmt], weights[mmt])
        out["mmt_subtask_mean"] = 100 * float(np.mean(list(subtasks.values())))
        meta_of = dict(zip(samples.subtask[mmt], samples.meta_task[mmt], strict=True))
        metas = np.array([meta_of[name] for name in subtasks])
        means = group_means(np.array(list(subtasks.values())), metas, np.ones(len(metas)))
        out["mmt_meta_mean"] = 100 * float(np.mean(list(means.values())))
        out["corrected_choice"] = corrected(mmt)
    wild = samples.task == "llava_in_the_wild"
    if wild.any():
        out["llava_wild"] = 100 * float((weights[wild] * samples.score[wild]).sum() / (weights[wild] * samples.scale[wild]).sum())
    vqa = samples.task == "mini_vqa"
    if vqa.any():
        out["vqa_accuracy"] = 100 * float(np.average(samples.score[vqa], weights=weights[vqa]))
        out["corrected_open"] = corrected(vqa)
    forms = [out[name] for name in ("corrected_open", "corrected_yesno", "corrected_choice") if name in out]
    if forms:
        out["corrected_mean"] = float(np.mean(forms))
    return out


def relative(figures: dict[str, float], full: dict[str, float]) -> float:
    """Rel. %: mean over benchmarks of score / full-data score, in percent (as COINCIDE, ICONS and PROGRESS report)."""
    shared = [name for name in BENCHMARKS if name in figures and full.get(name, 0) > 0]
    return 100 * float(np.mean([figures[name] / full[name] for name in shared])) if shared else float("nan")


def mean_over(runs: list[dict[str, float]]) -> dict[str, float]:
    """The mean of every figure over runs."""
    return {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}


def resampled_weights(samples: Samples, rng: np.random.Generator) -> np.ndarray:
    """One bootstrap draw of the scoring rows, within each task: how often every sample counts."""
    weights = np.zeros(len(samples.task))
    for task in np.unique(samples.task):
        at = np.flatnonzero(samples.task == task)
        weights[at] = rng.multinomial(len(at), np.full(len(at), 1 / len(at)))
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
