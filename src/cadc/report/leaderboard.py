"""The leaderboard: the root pipeline's arms as one table, with what they chose and what they cost."""

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

_MOST = 8  # figures an arm in metrics.json: `dvc metrics diff` fits one screen


def spec_of(stated: Stated) -> dict[str, Any]:
    """The root's arms, as the statement of a table."""
    arms = stated.root["arms"]
    full = next((name for name, arm in arms.items() if arm["method"] == "full"), None)
    rows = [{"label": name, "arm": name} for name in arms]
    split = stated.root["evaluate"]["split"]
    return {"title": "Leaderboard", "about": "", "split": split, "plot": True, "claims": [], "published": {},
            "rows": rows, "full": full}  # fmt: skip


def make(stated: Stated, n_bootstrap: int) -> Table:
    """The table of the root's arms, best first; differences are to random rows where they are among them."""
    arms = stated.root["arms"]
    first = next((name for name, arm in arms.items() if arm["method"] == "random"), None)
    table = tables.make(spec_of(stated), stated, n_bootstrap, first)
    table.lines.sort(key=lambda line: (-line.mean(table.judged), line.arm))
    return table


def metrics(table: Table) -> dict[str, dict[str, float]]:
    """Arm -> figure -> mean over seeds: what it is judged by, and the benchmarks' headline figures."""
    names = {"relative": "relative", "corrected_mean": "corrected"} | {name: name for name in BENCHMARKS}
    there = [name for name in names if all(name in line.measured.runs for line in table.lines)][:_MOST]
    return {
        line.arm: {names[name]: round(mean, 2) for name in there if math.isfinite(mean := line.mean(name))}
        for line in sorted(table.lines, key=lambda line: line.arm)
    }


def secondary(table: Table) -> str:
    """The figures that the table itself leaves out, as means."""
    names = {name: BENCHMARKS.get(name, name.replace("_", " ")) for name in (*BENCHMARKS, *OTHERS)}
    there = [name for name in names if name not in COLUMNS and all(name in line.measured.runs for line in table.lines)]
    body = [[line.title, *(f"{line.mean(name):.1f}" for name in there)] for line in table.lines]
    return markdown(["", *(names[name] for name in there)], body)


def write_subtasks(path: Path, table: Table) -> None:
    """Accuracy of every arm in every subtask and meta-task of every benchmark, mean over seeds, in percent."""
    with artifacts.whole(path) as part, part.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["arm", "task", "level", "name", "accuracy"])
        for arm in sorted(line.arm for line in table.lines):
            runs = list(load_samples(arm).values())
            for task in np.unique(runs[0].task):
                if task == "llava_in_the_wild":  # its points are no accuracy
                    continue
                at = runs[0].task == task
                scores = np.mean([run.score[at] for run in runs], axis=0)
                for level, groups in (("subtask", runs[0].subtask[at]), ("meta-task", runs[0].meta_task[at])):
                    for name, value in group_means(scores, groups, np.ones(len(scores))).items():
                        writer.writerow([arm, task, level, name, f"{100 * value:.2f}"])


def cost_table(table: Table, full: float, per_row: dict[str, float]) -> str:
    """Operations of every arm's selection and tuning beside its score; `full` are those of tuning on all rows."""
    body = []
    for line in table.lines:
        said = ["", "", "", ""]
        if line.cost:
            parts = (line.cost.selection, line.cost.tuning, line.cost.together)
            said = [*(f"{part / 1e12:.1f}" for part in parts), f"{line.cost.together / full:.2f}"]
        body.append([line.title, *said, f"{line.mean(table.judged):.1f}"])
    header = ["", "selection, TFLOP", "tuning", "together", "of tuning on all rows", COLUMNS[table.judged]]
    work = (
        f"A row takes {per_row['forward'] / 1e6:.0f} MFLOP forward, {per_row['training'] / 1e6:.0f} in training, "
        f"{per_row['gradients'] / 1e6:.0f} in the gradient engine.\n"
    )
    return markdown(header, body) + "\n" + work


def draw(table: Table, stated: Stated, plots: Path) -> list[str]:
    """leaderboard.png, pareto.png and the stages of each arm that has several; returns the latter's names."""
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
        if len(stage) and stage.max() > 0 and capability.min() >= 0:  # one stage would be one bar
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
        "*corrected* is the mean over open, yes/no and multiple choice of (accuracy - chance) / (1 - chance).\n"
        "Rel. % is the mean over benchmarks of score / full-data score.\n"
        "LLaVA-Wild is the model's points over the reference's.\n",
        "## All figures\n",
        secondary(table),
        "Accuracy in every subtask and meta-task: [subtasks.csv](subtasks.csv).\n",
        "## What was selected\n",
        selections.composition(arms, facts),
        selections.task_shares(arms, facts),
        f"The pool has {len(facts.source)} rows; {facts.skipped} were left out when it was read.\n",
        *(f"Rows of `{name}` by stage:\n\n![stages of {name}](plots/stages_{name}.png)\n" for name in staged),
        "## What it costs\n",
        "Counted, not timed. *Selection* is what the signal takes, which arms and budgets share. Tuning is of one\n"
        "seed. Seconds and memory of each stage on the machine at hand: `reports/costs.md`, written by every run.\n",
        cost,
        "![score against cost](plots/pareto.png)\n",
        "## More\n",
        "- What was chosen while the model learnt, and what came of it: [rounds.md](rounds.md)\n"
        "- Capabilities, how stable they are, and which rows serve them most: [capabilities.md](capabilities.md)\n"
        "- Whether it matters in this world which rows are chosen: `make gate`\n",
    ]
    return "\n".join(parts)


def write(table: Table, stated: Stated, plots: Path) -> None:
    """leaderboard.md, metrics.json, subtasks.csv and their pictures."""
    artifacts.write_json(artifacts.REPORTS / "metrics.json", metrics(table))
    write_subtasks(artifacts.REPORTS / "subtasks.csv", table)
    staged, per_row = draw(table, stated, plots), costs.load_counted()
    cost = cost_table(table, costs.full_tuning(stated, per_row), per_row)
    artifacts.write_text(artifacts.REPORTS / "leaderboard.md", page(table, selections.load_facts(), cost, staged))
