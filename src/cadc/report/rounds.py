"""reports/rounds.md: rows unlocked per round by methods that select during training (PROGRESS), and the effect."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt

from cadc import artifacts
from cadc.artifacts import Selection
from cadc.evaluation.results import load_samples, load_selections
from cadc.evaluation.statistics import Samples, group_means
from cadc.report.figures import MARKERS, STYLE, save
from cadc.report.selections import Facts, load_facts
from cadc.report.stated import Stated
from cadc.report.text import markdown

LEVELS = ("easy", "medium", "hard")
DIFFICULTY = "difficulty: error of random selection, %"


def abilities(about: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Name each cluster by the meta-task that most of its rows are nearest to: str [n_clusters].

    about: str [n_rows], cluster: int [n_rows]. Ties are broken by name. A cluster without rows is ''.
    """
    votes = [Counter(about[cluster == k].tolist()) for k in range(cluster.max() + 1)]
    return np.array([min((-n, name) for name, n in vote.items())[1] if vote else "" for vote in votes])


def shares_by_round(selection: Selection, group: np.ndarray, names: list[str]) -> np.ndarray:
    """Share of each group in each round's rows: float64 [n_rounds, len(names)], zero for a round without rows.

    group: str [n_rows].
    """
    of = group[selection.row]
    rounds = [of[selection.stage == stage] for stage in range(selection.stage.max() + 1)]
    return np.array([[np.mean(own == name) if len(own) else 0.0 for name in names] for own in rounds])


def terciles(history: np.ndarray) -> np.ndarray:
    """Mean loss and accuracy of the clusters that were easy, medium and hard at first: float64 [n_marks, 3, 2].

    history: float64 [n_marks, n_clusters, 6] as in `Adaptive.history`. Clusters are ranked by their loss in the first
    measurement (low is easy). Only clusters measured every time from then on count. Empty if nothing was measured.
    """
    known = np.isfinite(history[:, :, 0])
    history = history[known.any(1).argmax() :] if known.any() else history[:0]
    scores = history[:, np.isfinite(history[:, :, 0]).all(0), :2]
    if not scores.size:
        return np.empty((0, 3, 2))
    groups = np.array_split(np.argsort(scores[0, :, 0], kind="stable"), 3)
    return np.stack(
        [scores[:, group].mean(1) if len(group) else np.full((len(scores), 2), np.nan) for group in groups], 1
    )


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation with mean ranks for ties; 0 if an input is constant."""
    of_x, of_y = (np.array([(np.sum(v < a) + np.sum(v <= a) - 1) / 2 for a in v]) for v in (x, y))
    if min(np.std(of_x), np.std(of_y)) == 0:
        return 0.0
    return float(np.corrcoef(of_x, of_y)[0, 1])


def improvements(own: list[Samples], others: list[Samples]) -> tuple[np.ndarray, np.ndarray]:
    """Gain over random selection in each MMT-Bench and mini_vqa subtask, and its error rate there, in percent.

    own, others: samples by seed. Both outputs are float64 [n_subtasks], sorted by name; empty if neither benchmark was
    scored. The error rate is from the first random run and the gain is over the other runs, so that the luck of one run
    does not enter both axes.
    """

    def accuracy(runs: list[Samples]) -> dict[str, float]:
        asked = np.isin(runs[0].task, ("mmt_val", "mini_vqa"))
        names = np.char.add(runs[0].subtask, np.where(runs[0].task == "mini_vqa", " (open)", ""))[asked]
        return group_means(100 * np.mean([run.score for run in runs], axis=0)[asked], names, np.ones(asked.sum()))

    mine, theirs, first = accuracy(own), accuracy(others[1:] or others), accuracy(others[:1])
    names = sorted(mine)
    points = np.array([mine[name] - theirs[name] for name in names])
    return points, np.array([100 - first[name] for name in names])


def page(
    arm: str,
    selection: Selection,
    history: np.ndarray,
    cluster: np.ndarray,
    names: list[str],
    pictures: dict[str, str],
) -> str:
    """The section of an arm: rows unlocked and measured, clusters, and plots. pictures: path by what it shows."""
    said = {
        "rounds": "Rows unlocked per round, by their cluster's meta-task (the one most of its rows are nearest to):",
        "terciles": "Clusters that were easy, medium and hard in the first measurement:",
        "improvement": "Gain by subtask of MMT-Bench and mini VQA, mean over seeds:",
    }
    n_warm_up, n_rounds = int(np.sum(selection.stage == 0)), int(selection.stage.max())
    unlocked, size = (
        np.bincount(cluster[rows], minlength=len(names))
        for rows in (selection.row[selection.stage > 0], np.arange(len(cluster)))
    )
    body = [
        [str(k), names[k], str(size[k]), str(unlocked[k]), f"{100 * unlocked[k] / max(size[k], 1):.1f}"]
        for k in np.argsort(-unlocked, kind="stable")
    ]
    parts = [
        f"## {arm}\n",
        f"The first seed's run unlocked {len(selection)} answers: {n_warm_up} in the warm-up and the others in "
        f"{n_rounds} rounds. It made {len(history)} measurements of {history[:, :, 4].sum():.0f} rows in total.\n",
    ]
    parts += [f"{text}\n\n![{name}]({pictures[name]})\n" for name, text in said.items() if name in pictures]
    if unlocked.any():
        parts.append(
            markdown(
                ["cluster", "meta-task", "rows", "unlocked in rounds", "% of its rows"],
                [row for row in body if row[3] != "0"],
            )
        )
    return "\n".join(parts)


@matplotlib.rc_context(STYLE)
def draw_rounds(path: Path, shares: np.ndarray, names: list[str]) -> None:
    """Plot the rows unlocked in each round by meta-task: stacked bars, the warm-up first."""
    figure, axis = plt.subplots(figsize=(7, 3.2))
    colours, low = plt.get_cmap("tab20").colors, np.zeros(len(shares))
    for i, name in enumerate(names):
        share = 100 * shares[:, i]
        said = name.replace("_", " ")
        axis.bar(range(len(shares)), share, bottom=low, label=said, color=colours[i % 20], width=0.9)
        low += share
    axis.set_xticks(range(len(shares)), ["warm-up", *(str(k) for k in range(1, len(shares)))])
    axis.set_xlabel("round")
    axis.set_ylabel("share of the round's rows, %")
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7)
    save(figure, path)


@matplotlib.rc_context(STYLE)
def draw_terciles(path: Path, scores: np.ndarray) -> None:
    """Plot loss and accuracy of the three cluster groups over the measurements: float64 [n_marks, 3, 2]."""
    figure, axes = plt.subplots(1, 2, figsize=(7.5, 2.8))
    for column, (axis, title) in enumerate(zip(axes, ("loss, nats per token", "accuracy, %"), strict=True)):
        for i, name in enumerate(LEVELS):
            values = scores[:, i, column] * (1, 100)[column]
            axis.plot(values, marker=MARKERS[i], label=f"{name} at first")
        axis.set_xlabel("measurement")
        axis.set_ylabel(title)
    axes[1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, path)


@matplotlib.rc_context(STYLE)
def draw_improvement(path: Path, improvement: np.ndarray, difficulty: np.ndarray) -> None:
    """Plot the gain over random selection in each subtask against difficulty, with the rank correlation."""
    figure, axis = plt.subplots(figsize=(3.8, 3))
    axis.axhline(0, color="0.8", lw=1)
    axis.plot(difficulty, improvement, "o", ms=4)
    axis.set_xlabel(DIFFICULTY)
    axis.set_ylabel("points over random selection")
    axis.set_title(f"rank correlation {rank_correlation(difficulty, improvement):+.2f}")
    save(figure, path)


def arms_with_rounds(stated: Stated) -> list[str]:
    """The arms of params.yaml that select rows during training."""
    return [name for name, arm in stated.root["arms"].items() if arm["rows"] == "adapters"]


def random_beside(stated: Stated, arm: str) -> str | None:
    """The random-selection arm with the same budget, if params.yaml has one."""
    arms = stated.root["arms"]
    same = [name for name, one in arms.items() if (one["method"], one["budget"]) == ("random", arms[arm]["budget"])]
    return same[0] if same else None


def draw(
    arm: str, selection: Selection, history: np.ndarray, about: np.ndarray, other: str | None, plots: Path
) -> dict:
    """Draw the plots of an arm that have data. Returns path by content. about: cluster meta-task, str [n_rows]."""
    pictures = {name: f"rounds_{arm}_{name}.png" for name in ("rounds", "terciles", "improvement")}
    if other is not None:
        points, difficulty = improvements(*(list(load_samples(name).values()) for name in (arm, other)))
        if len(points):
            draw_improvement(plots / pictures["improvement"], points, difficulty)
    if (scores := terciles(history)).size:
        draw_terciles(plots / pictures["terciles"], scores)
    if selection.stage.any():
        groups = sorted(set(about.tolist()) - {""})
        draw_rounds(plots / pictures["rounds"], shares_by_round(selection, about, groups), groups)
    return {name: f"plots/{file}" for name, file in pictures.items() if (plots / file).exists()}


def write(stated: Stated, plots: Path) -> None:
    """Write reports/rounds.md and its plots: the first run of each arm that selects rows during training."""
    parts = ["# Rows selected during training\n", "Made by `dvc repro`.\n"]
    adaptive = arms_with_rounds(stated)
    if not adaptive:
        parts.append("No arm in params.yaml selects rows during training.\n")
    for arm in adaptive:
        parts.append(_section(arm, stated, load_facts(), plots))
    artifacts.write_text(artifacts.REPORTS / "rounds.md", "\n".join(parts))


def _section(arm: str, stated: Stated, facts: Facts, plots: Path) -> str:
    seed, chosen = next(iter(load_selections(arm).items()))
    row, capability, stage = (chosen[name].to_numpy() for name in ("row", "capability", "stage"))
    selection = Selection(row, np.ones(len(row), np.float32), capability, stage)
    cluster = np.asarray(artifacts.load_array(artifacts.ARMS / arm / "cluster.npy")).astype(np.int64)
    history = np.asarray(artifacts.load_array(artifacts.ARMS / arm / f"rounds_{seed}.npy"))
    names = abilities(facts.about, cluster)
    pictures = draw(arm, selection, history, names[cluster], random_beside(stated, arm), plots)
    return page(arm, selection, history, cluster, names.tolist(), pictures)
