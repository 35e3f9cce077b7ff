"""The testbed's own report: the gate's table and verdict, the learning curve, the plateau of epochs, the contact sheet.

python -m cadc.report.testbed     # print the committed gate; exit status 1 where a condition fails
"""

from __future__ import annotations

import textwrap
from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt
from PIL import Image

from cadc import artifacts
from cadc.compute import console
from cadc.evaluation.gate import FORMS, JUDGED, Trial, conditions
from cadc.report.figures import STYLE, save
from cadc.report.text import markdown

FOLDER = artifacts.REPORTS / "testbed"
_RAW = {"vqa_accuracy": "mini VQA %", "pope_accuracy": "POPE %", "mmt_accuracy": "MMT-Bench %"}


def _by_cell(figures: dict[Trial, dict[str, float]]) -> dict[str, list[tuple[Trial, dict[str, float]]]]:
    """Trials and figures of each cell, seeds in order, cells from the smallest to the largest."""
    cells = defaultdict(list)
    for trial in sorted(figures, key=lambda trial: (trial.budget, trial.arm, trial.epochs, trial.seed)):
        cells[trial.cell].append((trial, figures[trial]))
    return dict(cells)


def write_gate(figures: dict[Trial, dict[str, float]], budget: float) -> None:
    """gate.json, gate.md and gate.png.

    gate.json has every seed's figures and the conditions at `budget`, gate.md a table and the verdict, gate.png the
    learning curve.
    """
    cells = _by_cell(figures)
    scores = {
        name: {cell: np.array([made[name] for _, made in runs]) for cell, runs in cells.items()}
        for name in (*FORMS, *_RAW)
    }
    curve = [cell for cell in cells if cell.startswith(("random", "full"))]
    verdicts = {FORMS[name]: conditions(scores[name], curve, budget) for name in JUDGED}
    artifacts.write_json(
        FOLDER / "gate.json",
        {
            "passed": all(condition.holds for lines in verdicts.values() for condition in lines),
            "conditions": {
                title: {
                    line.text: {"value": round(line.value, 2), "bound": round(line.bound, 2), "holds": line.holds}
                    for line in lines
                }
                for title, lines in verdicts.items()
            },
            "scores": {
                cell: {name: [round(float(x), 2) for x in scores[name][cell]] for name in scores} for cell in cells
            },
            "share": {cell: runs[0][0].budget for cell, runs in cells.items()},
            "epochs": {cell: round(runs[0][0].epochs, 3) for cell, runs in cells.items()},
        },
    )
    _draw_curve(FOLDER / "gate.png", cells, scores)
    header, body = gate_table()
    condition_header, condition_body = condition_table()
    (FOLDER / "gate.md").write_text(
        "\n".join(
            [
                "# The gate\n",
                "Is this a world in which it matters which rows are chosen? Chance-corrected scores (0: the commonest "
                "answer of each subtask,\n"
                "no picture seen; 100: all right), mean ± sd over seeds that vary draw, LoRA initialisation and order. "
                "Made by `make gate`.\n",
                markdown(header, body),
                "![learning curve](gate.png)\n",
                markdown(condition_header, condition_body),
                "*oracle* draws from clean, deduplicated rows in the benchmarks' forms, balanced over subtasks: "
                "it knows the noise labels, which no method sees.\n",
            ]
        )
    )


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


def gate_table() -> tuple[list[str], list[list[str]]]:
    """Header and rows of the committed gate's scores, a blind guess first."""
    made = artifacts.read_json(FOLDER / "gate.json")
    header = ["rows", "passes", *FORMS.values(), *_RAW.values()]
    order = sorted(made["scores"], key=lambda cell: (made["share"][cell], cell != "blind", cell))
    body = [
        [cell, f"{made['epochs'][cell]:g}", *(_spread(made["scores"][cell][name]) for name in (*FORMS, *_RAW))]
        for cell in order
    ]
    return header, body


def condition_table() -> tuple[list[str], list[list[str]]]:
    """Header and rows of the committed gate's conditions, with the verdict."""
    made = artifacts.read_json(FOLDER / "gate.json")["conditions"]
    rows = [
        [f"{title}: {text}", f"{line['value']:.1f}", f"{line['bound']:.1f}", "yes" if line["holds"] else "NO"]
        for title, lines in made.items()
        for text, line in lines.items()
    ]
    return ["condition", "measured", "bound", "holds"], rows


@matplotlib.rc_context(STYLE)
def _draw_curve(path: Path, cells: dict, scores: dict) -> None:
    figure, axes = plt.subplots(1, len(FORMS), figsize=(3.1 * len(FORMS), 2.9), sharey=True)
    for axis, (name, title) in zip(axes, FORMS.items(), strict=True):
        for arm, marker, color in (("random", "o-", "C0"), ("oracle", "D", "C1")):
            own = [cell for cell in cells if cell.startswith(arm) or (arm == "random" and cell.startswith("full"))]
            x = [100 * cells[cell][0][0].budget for cell in own]
            axis.errorbar(
                x,
                [scores[name][cell].mean() for cell in own],
                [scores[name][cell].std(ddof=1) for cell in own],
                fmt=marker,
                color=color,
                label=arm,
                capsize=3,
            )
        axis.axhline(0, color="0.6", lw=1, ls=":")
        axis.axhline(scores[name]["base"].mean(), color="0.6", lw=1, label="base")
        axis.set_xscale("log")
        axis.set_xticks([1, 5, 20, 100], ["1%", "5%", "20%", "full"])
        axis.minorticks_off()
        axis.set_title(title)
    axes[0].set_ylabel("chance-corrected score")
    axes[0].legend(frameon=False)
    save(figure, path)


@matplotlib.rc_context(STYLE)
def write_plateau(figures: dict[Trial, dict[str, float]]) -> None:
    """plateau.json, plateau.md and plateau.png: the scores of each size over its passes."""
    cells = _by_cell(figures)
    artifacts.write_json(
        FOLDER / "plateau.json",
        {
            cell: {f"{trial.epochs:g}": {name: round(made[name], 2) for name in FORMS} for trial, made in runs}
            for cell, runs in cells.items()
        },
    )
    figure, axes = plt.subplots(1, len(cells), figsize=(2.6 * len(cells), 2.6), sharey=True)
    for axis, (cell, runs) in zip(np.atleast_1d(axes), cells.items(), strict=True):
        for name in JUDGED:
            axis.plot([trial.epochs for trial, _ in runs], [made[name] for _, made in runs], "o-", label=FORMS[name])
        axis.set_title(cell)
        axis.set_xlabel("passes")
    np.atleast_1d(axes)[0].set_ylabel("chance-corrected, probe split")
    np.atleast_1d(axes)[0].legend(frameon=False)
    save(figure, FOLDER / "plateau.png")
    body = [
        [cell, f"{trial.epochs:g}", *(f"{made[name]:.1f}" for name in FORMS)]
        for cell, runs in cells.items()
        for trial, made in runs
    ]
    (FOLDER / "plateau.md").write_text(
        "# How many passes\n\n"
        "Chance-corrected scores on the probe split, one seed (`make plateau`); "
        "the scoring split has no say in it.\n\n"
        + markdown(["rows", "passes", *FORMS.values()], body)
        + "\n![plateau](plateau.png)\n"
    )


@matplotlib.rc_context(STYLE)
def write_sheet(entries: list[tuple[str, str, str, Image.Image]], columns: int = 8) -> None:
    """world.png: one picture of every subtask, entries (subtask, question, answer, picture)."""
    rows = -(-len(entries) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.1 * columns, 2.25 * rows))
    for axis in axes.flat:
        axis.axis("off")
    for axis, (name, question, answer, image) in zip(axes.flat, entries, strict=False):
        axis.imshow(np.asarray(image), interpolation="nearest")
        axis.set_title(name.replace("_", " "), fontsize=6.5, fontweight="bold")
        axis.text(
            0.5,
            -0.04,
            "\n".join([*textwrap.wrap(question, 32), f"> {answer}"]),
            transform=axis.transAxes,
            ha="center",
            va="top",
            fontsize=6.5,
        )
    figure.tight_layout(h_pad=2.0)
    save(figure, FOLDER / "world.png")


def main() -> None:
    console.table("The gate: chance-corrected scores, mean ± sd over seeds", *gate_table())
    console.table("Conditions", *condition_table())
    if not artifacts.read_json(FOLDER / "gate.json")["passed"]:
        raise SystemExit("the gate is NOT passed")
    console.line("the gate is passed")


if __name__ == "__main__":
    main()
