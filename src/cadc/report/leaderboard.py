"""The leaderboard: the root pipeline's arms in one table, with the rows they selected and their costs."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np

from cadc import artifacts
from cadc.evaluation.results import load_samples, load_selections
from cadc.evaluation.statistics import BENCHMARKS, OTHERS, group_means
from cadc.report import costs, figures, selections, tables
from cadc.report.stated import Stated
from cadc.report.tables import COLUMNS, Table
from cadc.report.text import markdown

_MOST = 8  # metrics per arm in metrics.json, so that `dvc metrics diff` fits one screen


def spec_of(stated: Stated) -> dict[str, Any]:
    """The table specification for the root pipeline's arms."""
    arms = stated.root["arms"]
    full = next((name for name, arm in arms.items() if arm["method"] == "full"), None)
    rows = [{"label": name, "arm": name} for name in arms]
    split = stated.root["evaluate"]["split"]
    return {"title": "Leaderboard", "about": "", "split": split, "plot": True, "claims": [], "published": {},
            "rows": rows, "full": full}  # fmt: skip


def make(stated: Stated, n_bootstrap: int) -> Table:
    """The table of the root's arms, best first. Differences are to random selection if it is among the arms."""
    arms = stated.root["arms"]
    first = next((name for name, arm in arms.items() if arm["method"] == "random"), None)
    table = tables.make(spec_of(stated), stated, n_bootstrap, first)
    table.lines.sort(key=lambda line: (-line.mean(table.judged), line.arm))
    return table


def metrics(table: Table) -> dict[str, dict[str, float]]:
    """Arm -> metric -> mean over seeds: the metric used for ranking and each benchmark's headline metric."""
    names = {"relative": "relative", "corrected_mean": "corrected"} | {name: name for name in BENCHMARKS}
    there = [name for name in names if all(name in line.measured.runs for line in table.lines)][:_MOST]
    return {
        line.arm: {names[name]: round(mean, 2) for name in there if math.isfinite(mean := line.mean(name))}
        for line in sorted(table.lines, key=lambda line: line.arm)
    }


def secondary(table: Table) -> str:
    """Means of the metrics that the main table leaves out."""
    names = {name: BENCHMARKS.get(name, name.replace("_", " ")) for name in (*BENCHMARKS, *OTHERS)}
    there = [name for name in names if name not in COLUMNS and all(name in line.measured.runs for line in table.lines)]
    body = [[line.title, *(f"{line.mean(name):.1f}" for name in there)] for line in table.lines]
    return markdown(["", *(names[name] for name in there)], body)


def write_subtasks(path: Path, table: Table) -> None:
    """Write each arm's accuracy per subtask and meta-task of each benchmark: mean over seeds, in percent."""
    with artifacts.whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["arm", "task", "level", "name", "accuracy"])
        for arm in sorted(line.arm for line in table.lines):
            runs = list(load_samples(arm).values())
            for task in np.unique(runs[0].task):
                if task == "llava_in_the_wild":  # its score is not an accuracy
                    continue
                at = runs[0].task == task
                scores = np.mean([run.score[at] for run in runs], axis=0)
                for level, groups in (("subtask", runs[0].subtask[at]), ("meta-task", runs[0].meta_task[at])):
                    for name, value in group_means(scores, groups, np.ones(len(scores))).items():
                        writer.writerow([arm, task, level, name, f"{100 * value:.2f}"])


def cost_table(table: Table, full: float, per_row: dict[str, float]) -> str:
    """Operations per arm for selection and fine-tuning, with its score. `full`: operations of full-data fine-tuning."""
    body = []
    for line in table.lines:
        said = ["", "", "", ""]
        if line.cost:
            parts = (line.cost.selection, line.cost.tuning, line.cost.together)
            said = [*(f"{part / 1e12:.1f}" for part in parts), f"{line.cost.together / full:.2f}"]
        body.append([line.title, *said, f"{line.mean(table.judged):.1f}"])
    header = ["", "selection, TFLOP", "fine-tuning, TFLOP", "total, TFLOP", "total / full data", COLUMNS[table.judged]]
    work = (
        f"Operations per row: {per_row['forward'] / 1e6:.0f} MFLOP for a forward pass, "
        f"{per_row['training'] / 1e6:.0f} MFLOP in training, {per_row['gradients'] / 1e6:.0f} MFLOP in the gradient "
        "engine.\n"
    )
    return markdown(header, body) + "\n" + work


def draw(table: Table, stated: Stated, plots: Path) -> list[str]:
    """Draw leaderboard.png, pareto.png and one stage plot per multi-stage arm. Returns the names of these arms."""
    judged, titles = table.judged, {**BENCHMARKS, table.judged: COLUMNS[table.judged]}
    titles = {name: title for name, title in titles.items() if all(name in one.measured.runs for one in table.lines)}
    random = tables.random_of(table)
    figures.intervals(plots / "leaderboard.png", [(one.title, one.measured) for one in table.lines], titles, random)
    points = [(one.title, one.cost.together, one.measured.estimate(judged)) for one in table.lines if one.cost]
    figures.pareto(plots / "pareto.png", points, COLUMNS[judged], random.estimate(judged) if random else None)
    staged = [name for name, arm in stated.root["arms"].items() if arm["curate"]["sequence"] != "none"]
    drawn = []
    for name in staged:
        chosen = next(iter(load_selections(name).values()))
        stage, capability = (chosen[column].to_numpy() for column in ("stage", "capability"))
        if len(stage) and stage.max() > 0 and capability.min() >= 0:  # with one stage there is nothing to compare
            counts = np.zeros((stage.max() + 1, capability.max() + 1), int)
            np.add.at(counts, (stage, capability), 1)
            figures.stages(plots / f"stages_{name}.png", counts)
            drawn.append(name)
    return drawn


def page(table: Table, facts: selections.Facts, cost: str, staged: list[str]) -> str:
    """The text of reports/leaderboard.md."""
    arms = {line.arm: line.arm for line in table.lines}
    parts = [
        "# Leaderboard\n",
        f"The arms of params.yaml. {table.spec['split'].capitalize()} split, {tables.seeds_of(table)}. "
        "Made by `dvc repro`.\n",
        tables.tabulated(table),
        tables.note(table, artifacts.REPORTS),
        "![leaderboard](plots/leaderboard.png)\n",
        "*corrected*: mean over open, yes/no and multiple-choice questions of (accuracy - chance) / (1 - chance).\n"
        "*Rel. %*: mean over benchmarks of score / full-data score.\n"
        "*LLaVA-Wild*: the model's points divided by the reference answer's points.\n",
        "## All metrics\n",
        secondary(table),
        "Accuracy in every subtask and meta-task: [subtasks.csv](subtasks.csv).\n",
        "## What was selected\n",
        selections.composition(arms, facts),
        selections.task_shares(arms, facts),
        f"The pool has {len(facts.source)} rows; {facts.skipped} were skipped when it was read.\n",
        *(f"Rows of `{name}` by stage:\n\n![stages of {name}](plots/stages_{name}.png)\n" for name in staged),
        "## What it costs\n",
        "Operations are counted, not timed. *Selection* is the cost of the signal, which arms and budgets share.\n"
        "Fine-tuning is for one seed. Every run writes the seconds and memory of each stage on this machine to\n"
        "`reports/costs.md`.\n",
        cost,
        "![score versus cost](plots/pareto.png)\n",
        "## More\n",
        "- Rows selected during training (adaptive methods), and their effect: [rounds.md](rounds.md)\n"
        "- Capabilities, their stability and their most influential rows: [capabilities.md](capabilities.md)\n"
        "- Check that row selection matters in this world: `make gate`\n",
    ]
    return "\n".join(parts)


def write(table: Table, stated: Stated, plots: Path) -> None:
    """Write leaderboard.md, metrics.json, subtasks.csv and their plots."""
    artifacts.write_json(artifacts.REPORTS / "metrics.json", metrics(table))
    write_subtasks(artifacts.REPORTS / "subtasks.csv", table)
    staged, per_row = draw(table, stated, plots), costs.load_counted()
    cost = cost_table(table, costs.full_tuning(stated, per_row), per_row)
    artifacts.write_text(artifacts.REPORTS / "leaderboard.md", page(table, selections.load_facts(), cost, staged))
