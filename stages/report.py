"""report: leaderboard, per-subtask scores, figures and metrics.json from the per-sample results."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cadc import artifacts
from cadc.compute import console
from cadc.compute.stage import run_stage
from cadc.config.params import Params
from cadc.config.runs import runs_of
from cadc.curation.attribution import attribute, trend
from cadc.evaluation.statistics import BENCHMARKS, Samples, group_means, summarise
from cadc.report import capabilities, costs, figures, leaderboard, rounds, selections
from cadc.report.leaderboard import REPORTS


def load_cells(params: Params) -> dict[tuple[str, str], list[Samples]]:
    """Samples of every (method, budget) that params name, one entry a seed."""
    cells = {}
    for method in params.methods:
        table = pq.read_table(artifacts.RESULTS / method / "samples.parquet")
        for run in runs_of(method, params):
            mask = pc.and_(pc.equal(table["budget"], run.key), pc.equal(table["seed"], run.seed))
            cells.setdefault((method, run.key), []).append(Samples.of_table(table.filter(mask)))
    return cells


def write_subtasks(path: Path, cells: dict[tuple[str, str], list[Samples]]) -> None:
    """Accuracy of every method in every subtask and meta-task of every benchmark, mean over seeds, in percent."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["method", "budget", "task", "level", "name", "accuracy"])
        for (method, budget), runs in sorted(cells.items()):
            for task in np.unique(runs[0].task):
                if task == "llava_in_the_wild":
                    continue
                at = runs[0].task == task
                scores = np.mean([run.score[at] for run in runs], axis=0)
                for level, groups in (("subtask", runs[0].subtask[at]), ("meta-task", runs[0].meta_task[at])):
                    for name, value in group_means(scores, groups, np.ones(len(scores))).items():
                        writer.writerow([method, budget, task, level, name, f"{100 * value:.2f}"])


def draw_capabilities(params: Params, folder: Path) -> None:
    """Similarity matrix, self-influence trends and, where cadc is among the methods, its stages."""
    named = artifacts.read_json(artifacts.CAPABILITIES / "capabilities.json")
    capability = np.array([entry["capability"] for entry in named])
    figures.similarity(
        folder / "similarity.png",
        artifacts.load_array(artifacts.CAPABILITIES / "cosine.npy"),
        [entry["name"] for entry in named],
        capability,
    )
    influence = np.asarray(artifacts.load_array(artifacts.CAPABILITIES / "influence.npy"))
    moves = trend(artifacts.load_array(artifacts.CAPABILITIES / "self_influence.npy"), attribute(influence, 0.0))
    steps = [entry["step"] for entry in artifacts.read_json(artifacts.PROXY / "snapshots.json")]
    figures.trends(folder / "self_influence.png", steps, moves)
    if "cadc" in params.methods:
        selection = artifacts.load_selection(artifacts.selection_path("cadc", runs_of("cadc", params)[0].name))
        counts = np.zeros((selection.stage.max() + 1, capability.max() + 1), int)
        np.add.at(counts, (selection.stage, selection.capability), 1)
        figures.stages(folder / "stages.png", counts)


def cost_table(params: Params, summary: leaderboard.Summary, plots: Path) -> str:
    """Operations of every method's selection and tuning beside its score, and the picture of the two."""
    per_row, tuned = costs.counted(params)
    points, body = [], []
    full = costs.full_cost(params, tuned)
    judged = "relative" if "relative" in next(iter(summary.values())) else "corrected_mean"
    for method, key in leaderboard.ranked(summary):
        run = next(run for run in runs_of(method, params) if run.key == key)
        chosen = costs.selection_cost(params.methods[method].signal, params, per_row) + costs.adaptive_cost(
            method, key, params, per_row, tuned
        )
        parts = [chosen, costs.tuning_cost(method, run, params, tuned)]
        figure = summary[method, key][judged]
        label = f"{method} {leaderboard.percent(key)}"
        points.append((label, sum(parts), figure))
        body.append(
            [
                label,
                *(f"{part / 1e12:.1f}" for part in (*parts, sum(parts))),
                f"{sum(parts) / full:.2f}",
                f"{figure['mean']:.1f}",
            ]
        )
    figures.pareto(plots / "pareto.png", points, {"relative": "Rel. %", "corrected_mean": "corrected"}[judged])
    said = f"A row takes {per_row.forward / 1e6:.0f} MFLOP forward, {tuned.training / 1e6:.0f} in training, {per_row.gradients / 1e6:.0f} in the gradient engine.\n"
    return (
        leaderboard.markdown(
            [
                "",
                "selection, TFLOP",
                "tuning",
                "together",
                "of tuning on all rows",
                {"relative": "Rel. %"}.get(judged, "corrected"),
            ],
            body,
        )
        + "\n"
        + said
    )


def write_capabilities(plots: Path) -> None:
    """reports/capabilities.md and its pictures."""
    named, stability = (
        artifacts.read_json(artifacts.CAPABILITIES / f"{name}.json") for name in ("capabilities", "stability")
    )
    influence = np.asarray(artifacts.load_array(artifacts.CAPABILITIES / "influence.npy"))
    text, rows = capabilities.describe(named, influence, stability, artifacts.load_pool())
    (REPORTS / "capabilities.md").write_text(text)
    capabilities.draw(plots / "capabilities.png", rows)


def measured(params: Params, summary: leaderboard.Summary) -> str:
    """What each stage and method cost here. It varies from run to run, so it is neither in git nor a DVC output."""
    made = {path.stem: artifacts.read_json(path) for path in sorted(artifacts.COSTS.glob("*.json"))}
    scores = []
    for method in params.methods:
        tuning, choosing = (
            made.get(f"{stage}@{method}", {}).get("cpu_seconds", 0.0) for stage in ("finetune", "curate")
        )
        figures = [
            figure["relative"]["mean"]
            for (name, _), figure in summary.items()
            if name == method and "relative" in figure
        ]
        scores.append(
            [
                method,
                f"{choosing:.1f}",
                f"{tuning / len(runs_of(method, params)):.1f}",
                f"{np.mean(figures):.1f}" if figures else "",
            ]
        )
    body = [
        [
            name,
            f"{cost['seconds']:.1f}",
            f"{cost['cpu_seconds']:.1f}",
            str(cost["peak_memory_mb"]),
            f"{cost['rows'] / cost['seconds']:.0f}" if cost.get("rows") and cost["seconds"] else "",
        ]
        for name, cost in made.items()
    ]
    body.append(
        [
            "all",
            *(f"{sum(cost[key] for cost in made.values()):.1f}" for key in ("seconds", "cpu_seconds")),
            str(max((c["peak_memory_mb"] for c in made.values()), default=0)),
            "",
        ]
    )
    stages = leaderboard.markdown(["stage", "seconds", "CPU seconds", "peak memory, MB", "rows/s"], body)
    methods = leaderboard.markdown(
        ["method", "CPU seconds of `curate`", "of one fine-tuning, its measurements included", "Rel. %"], scores
    )
    return f"# What each stage cost on this machine\n\n{stages}\n## Score against time\n\nMean over budgets; what `curate` reads was made by the stages above.\n\n{methods}"


def main(params: Params) -> None:
    cells = load_cells(params)
    reference = ("full", "b100") if ("full", "b100") in cells else None
    metrics = leaderboard.metrics(summarise(cells, reference, params.evaluate.bootstrap))
    summary = leaderboard.summary_of(metrics)
    pool_rows = artifacts.load_pool().num_rows
    header, body = leaderboard.rows(summary)
    skipped = Counter(row["reason"].split(";")[0] for row in artifacts.read_json(artifacts.POOL / "skipped.json"))

    REPORTS.mkdir(exist_ok=True)
    artifacts.write_json(REPORTS / "metrics.json", metrics)
    write_subtasks(REPORTS / "subtasks.csv", cells)
    plots = artifacts.fresh(REPORTS / "plots")
    labelled = [(f"{method} {key}", summary[method, key]) for method, key in leaderboard.ranked(summary)]
    titles = {name: title for name, title in {**BENCHMARKS, "relative": "Rel. %"}.items() if name in labelled[0][1]}
    figures.leaderboard(plots / "leaderboard.png", labelled, titles)
    draw_capabilities(params, plots)
    write_capabilities(plots)
    rounds.write(params, cells, plots)
    parts = [
        "# Leaderboard\n",
        f"Mean ± sd over {len(params.seeds)} seeds; 95% interval of Rel. % by bootstrap over scoring rows. Scored on the {params.evaluate.split} split. Made by `dvc repro`.\n",
        leaderboard.markdown(header, body),
        "![leaderboard](plots/leaderboard.png)\n",
        "POPE F1 is the mean of its three splits; LLaVA-Wild is the model's points over the reference's; *corrected* is the mean over\n"
        "open, yes/no and multiple choice of (accuracy - chance) / (1 - chance); Rel. % is the mean of score / full-data score.\n",
        "## Beside it\n",
        leaderboard.secondary(summary),
        "Accuracy in every subtask and meta-task: [subtasks.csv](subtasks.csv).\n",
        "## What was selected\n",
        selections.composition(params),
        selections.task_shares(params),
        f"Pool: {pool_rows} rows; skipped: {sum(skipped.values())}"
        + "".join(f"\n- {count} x {reason}" for reason, count in sorted(skipped.items()))
        + "\n",
        "## What it costs\n",
        "Counted, not timed: what selects (proxy run, trajectories and influence of the whole pool, shared by all budgets and methods of the same signal) and one\n"
        "tuning. Seconds and memory of each stage on the machine at hand: `reports/costs.md`, written by every run.\n",
        cost_table(params, summary, plots),
        "![score against cost](plots/pareto.png)\n",
        "## Chosen while the model learns\n",
        "What was bought when, and what came of it: [rounds.md](rounds.md).\n",
        "## The testbed\n",
        "Whether it matters in this world which rows are chosen, with the learning curve of random rows: [testbed/gate.md](testbed/gate.md) (`make gate`).\n",
        "## Capabilities\n",
        "What they are, how stable, and which rows serve them most: [capabilities.md](capabilities.md).\n",
        "![similarity of subtasks](plots/similarity.png)\n",
        "![self-influence](plots/self_influence.png)\n",
        "![stages](plots/stages.png)\n" if "cadc" in params.methods else "",
    ]
    (REPORTS / "leaderboard.md").write_text("\n".join(part for part in parts if part))
    (REPORTS / "costs.md").write_text(measured(params, summary))
    console.line("leaderboard: reports/leaderboard.md")


if __name__ == "__main__":
    run_stage("report", main)
