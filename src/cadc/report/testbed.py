"""The testbed's report: the gate's table and verdict, the learning curve, the epoch plateau and the contact sheet.

python -m cadc.report.testbed     # print the committed gates; exit status 1 where a condition fails
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt
from PIL import Image

from cadc import artifacts
from cadc.compute import console
from cadc.config.params import read
from cadc.evaluation.gate import FORMS, JUDGED, Trial, conditions
from cadc.evaluation.intervals import Arm
from cadc.report.figures import MARKERS, STYLE, save
from cadc.report.text import NOT_MADE, markdown

FOLDER = artifacts.REPORTS / "testbed"
_RAW = {"vqa_accuracy": "mini VQA %", "pope_accuracy": "POPE %", "mmt_accuracy": "MMT-Bench %"}


def write_gate(world: str, cells: dict[str, Trial], arms: dict[str, Arm], budget: float) -> None:
    """Write gate_WORLD.json, .md and .png: scores by seed, conditions at `budget`, a table and the learning curve.

    cells: one trial by name, ordered by size of the draw. arms: their runs.
    """
    curve = [cell for cell in cells if cell.startswith(("random", "full"))]
    verdicts = {FORMS[name]: conditions(arms, name, curve, budget) for name in JUDGED}
    path = path_of(world)
    artifacts.write_json(
        path,
        {
            "passed": all(condition.holds for lines in verdicts.values() for condition in lines),
            "conditions": {
                title: [
                    {"text": line.text, "value": round(line.value, 2), "bound": f"{line.relation} {line.bound:g}"}
                    | {"holds": line.holds}
                    for line in lines
                ]
                for title, lines in verdicts.items()
            },
            "scores": {
                cell: {name: [round(float(x), 2) for x in arms[cell].runs[name]] for name in (*FORMS, *_RAW)}
                for cell in cells
            },
            "share": {cell: trial.budget for cell, trial in cells.items()},
            "epochs": {cell: round(trial.epochs, 3) for cell, trial in cells.items()},
        },
    )
    _draw_curve(path.with_suffix(".png"), cells, arms)
    artifacts.write_text(
        path.with_suffix(".md"),
        "\n".join(
            [
                f"# The gate of {world}\n",
                "Does row selection matter in this world, and can the world tell methods apart? Scores are "
                "chance-corrected (0: the most common answer of each subtask, without the image; 100: all correct), "
                "mean ± sd over seeds that vary the draw, LoRA initialisation and order. Made by `make gate`.\n",
                markdown(*gate_table(world)),
                f"![learning curve](gate_{world}.png)\n",
                markdown(*condition_table(world)),
                "*oracle* draws clean, deduplicated rows in the benchmarks' question forms, balanced over subtasks. "
                "It reads the noise labels, which no method sees.\n",
            ]
        ),
    )


def path_of(world: str) -> Path:
    """Path of a world's committed gate."""
    return FOLDER / f"gate_{world}.json"


def worlds() -> list[str]:
    """The worlds that have a gate, whether or not it was run."""
    return list(read("params.yaml")["worlds"])


def failed(made: dict) -> list[str]:
    """The failed conditions of a committed gate, in words."""
    return [
        f"{title}: {line['text']} is {line['value']:.1f}, required {line['bound']}"
        for title, lines in made["conditions"].items()
        for line in lines
        if not line["holds"]
    ]


def gates() -> dict[str, dict]:
    """The committed gates by world, as stored in gate_WORLD.json."""
    return {path.stem.removeprefix("gate_"): artifacts.read_json(path) for path in sorted(FOLDER.glob("gate_*.json"))}


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


def gate_table(world: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a committed gate's scores, lowest share first; the blind guess leads."""
    made = gates()[world]
    header = ["rows", "passes", *FORMS.values(), *_RAW.values()]
    order = sorted(made["scores"], key=lambda cell: (made["share"][cell], cell != "blind", cell))
    body = [
        [cell, f"{made['epochs'][cell]:g}", *(_spread(made["scores"][cell][name]) for name in (*FORMS, *_RAW))]
        for cell in order
    ]
    return header, body


def condition_table(world: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a committed gate's conditions, with the verdict."""
    rows = [
        [f"{title}: {line['text']}", f"{line['value']:.1f}", line["bound"], "yes" if line["holds"] else "NO"]
        for title, lines in gates()[world]["conditions"].items()
        for line in lines
    ]
    return ["condition", "measured", "required", "holds"], rows


@matplotlib.rc_context(STYLE)
def _draw_curve(path: Path, cells: dict[str, Trial], arms: dict[str, Arm]) -> None:
    figure, axes = plt.subplots(1, len(FORMS), figsize=(3.1 * len(FORMS), 2.9), sharey=True)
    for axis, (name, title) in zip(axes, FORMS.items(), strict=True):
        for arm, marker, color in (("random", "o-", "C0"), ("oracle", "D", "C1")):
            own = [cell for cell in cells if cell.startswith(arm) or (arm == "random" and cell.startswith("full"))]
            made = [arms[cell].estimate(name) for cell in own]
            means = [one.mean for one in made]
            between = np.array([[one.mean - one.low, one.high - one.mean] for one in made]).T
            budgets = [100 * cells[cell].budget for cell in own]
            axis.errorbar(budgets, means, between, fmt=marker, color=color, label=arm, capsize=3)
        axis.axhline(0, color="0.6", lw=1, ls=":", label="blind guess")
        axis.axhline(arms["base"].runs[name].mean(), color="0.6", lw=1, ls="--", label="base")
        axis.set_xscale("log")
        axis.set_xticks([1, 5, 20, 100], ["1%", "5%", "20%", "full"])
        axis.minorticks_off()
        axis.set_title(title)
        axis.set_xlabel("rows of the pool")
    axes[0].set_ylabel("chance-corrected score, %")
    axes[-1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, path)


@matplotlib.rc_context(STYLE)
def write_plateau(figures: dict[Trial, dict[str, float]]) -> None:
    """Write plateau.json, plateau.md and plateau.png: scores of each size by number of passes, mean over seeds."""
    cells: dict[str, dict[float, dict[str, list[float]]]] = {}
    for trial in sorted(figures, key=lambda trial: (trial.budget, trial.epochs, trial.seed)):
        runs = cells.setdefault(trial.cell, {}).setdefault(trial.epochs, {name: [] for name in FORMS})
        for name in FORMS:
            runs[name].append(figures[trial][name])
    means = {
        cell: {epochs: {name: float(np.mean(runs[name])) for name in FORMS} for epochs, runs in grid.items()}
        for cell, grid in cells.items()
    }
    artifacts.write_json(
        FOLDER / "plateau.json",
        {
            cell: {f"{epochs:g}": {name: round(x, 2) for name, x in made.items()} for epochs, made in grid.items()}
            for cell, grid in means.items()
        },
    )
    figure, axes = plt.subplots(1, len(cells), figsize=(2.6 * len(cells), 2.6), sharey=True, squeeze=False)
    for axis, (cell, grid) in zip(axes[0], cells.items(), strict=True):
        for i, name in enumerate(JUDGED):
            scores = [made[name] for made in grid.values()]
            spread = [np.std(values, ddof=1) if len(values) > 1 else 0 for values in scores]
            at = [
                passes * 1.02 ** (2 * i - 1) for passes in grid
            ]  # shifted sideways, so that overlapping points stay visible
            mean = [np.mean(values) for values in scores]
            axis.errorbar(at, mean, spread, fmt=f"{MARKERS[i]}-", capsize=2, label=FORMS[name])
        axis.set_title(cell)
        axis.set_xlabel("passes")
    axes[0][0].set_ylabel("chance-corrected, probe split, %")
    axes[0][-1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), title="mean ± sd")
    save(figure, FOLDER / "plateau.png")
    body = [
        [cell, f"{epochs:g}", *(_spread(runs[name]) for name in FORMS)]
        for cell, grid in cells.items()
        for epochs, runs in grid.items()
    ]
    artifacts.write_text(
        FOLDER / "plateau.md",
        "# Number of passes\n\n"
        "Chance-corrected scores on the probe split, mean ± sd over seeds (`make plateau`). "
        "The scoring split is not used here.\n\n"
        + markdown(["rows", "passes", *FORMS.values()], body)
        + "\n![plateau](plateau.png)\n",
    )


@matplotlib.rc_context(STYLE)
def write_sheet(entries: list[tuple[str, str, str, Image.Image]], columns: int = 8) -> None:
    """Write world.png: one image per subtask. entries: (subtask, question, answer, image)."""
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
    made = gates()
    for world in made:
        console.table(f"The gate of {world}: chance-corrected scores, mean ± sd over seeds", *gate_table(world))
        console.table(f"Conditions, {world}", *condition_table(world))
    failing = {world: failed(own) for world, own in made.items() if failed(own)}
    faults = [f"the gate FAILED in {world}: {'; '.join(lines)}" for world, lines in failing.items()]
    faults += [f"the gate of {world} is {NOT_MADE}: run `make gate`" for world in worlds() if world not in made]
    if faults:
        raise SystemExit("\n".join(faults))
    console.line(f"the gate passed in {', '.join(made)}")


if __name__ == "__main__":
    main()
