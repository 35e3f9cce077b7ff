"""Learning curves of a run by step: loss, score and accuracy per meta-task, read from reports/convergence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt

from cadc import artifacts
from cadc.config.errors import InputError
from cadc.evaluation.accuracies import accuracies
from cadc.evaluation.results import load_samples
from cadc.evaluation.statistics import measure
from cadc.report.figures import MARKERS, STYLE, save
from cadc.report.tables import COLUMNS, Line, Table
from cadc.report.text import markdown

FIGURE = "corrected_mean"
_WIDE, _PARTS = 4, 40  # panels per row; number of segments over which the loss is averaged


@dataclass(frozen=True)
class Followed:
    """An arm's runs. losses: float32 [n_seeds, n_steps]. scores: float64 [n_seeds] at each of `steps`. abilities: task
    -> meta-task -> accuracy in percent at each of `steps`, mean over seeds."""

    losses: np.ndarray
    steps: list[int]
    scores: list[np.ndarray]
    abilities: list[dict[str, dict[str, float]]]


def load_followed(study: str, arm: str) -> Followed:
    """Raises InputError if the arm has no recorded learning curve, or none with the metric that is plotted here."""
    folder = artifacts.REPORTS / "convergence" / study / arm
    if not (folder / "points.json").exists():
        raise InputError(f"{folder}: not made yet; run `dvc repro pipelines/{study}/dvc.yaml:convergence@{arm}`")
    points = artifacts.read_json(folder / "points.json")["points"]
    if any(FIGURE not in one for point in points for one in point["figures"]):
        raise InputError(
            f"{folder}: its questions have no reference answers, so there is no accuracy by step; add a task to "
            "evaluate.tasks that is scored without a judge"
        )
    return Followed(
        np.asarray(artifacts.load_array(folder / "loss.npy")),
        [point["step"] for point in points],
        [np.array([one[FIGURE] for one in point["figures"]]) for point in points],
        [point["accuracies"] for point in points],
    )


def section(table: Table, path: Path) -> str:
    """A section of a table's page. Also writes PATH_convergence.png. path: the page without its suffix."""
    made = {line.label: load_followed(path.parent.name, line.arm) for line in table.lines}
    whole = list(load_samples(table.spec["full"]).values()) if table.spec["full"] else []
    file = path.with_name(f"{path.name}_convergence.png")
    draw(
        file,
        made,
        float(np.mean([measure(run)[FIGURE] for run in whole])) if whole else None,
        accuracies(whole, "meta_task") if whole else {},
    )
    most = max(len(one.steps) for one in made.values())
    body = [_row(line, made[line.label], most) for line in table.lines]
    header = ["", "steps", *(f"{k} of {most}" for k in range(1, most + 1))]
    said = (
        f"{COLUMNS[FIGURE].capitalize()} score at equally spaced steps of each run; the last column is the end of "
        "training. Mean ± sd over seeds. The plot also shows the loss and the accuracy per meta-task; the dashed "
        "line is full data at the end of training.\n"
    )
    return f"## By step\n\n{said}\n{markdown(header, body)}\n![by step]({file.name})\n"


def _row(line: Line, run: Followed, most: int) -> list[str]:
    said = [f"{score.mean():.1f}" + (f" ± {score.std(ddof=1):.1f}" if len(score) > 1 else "") for score in run.scores]
    return [line.title, str(run.losses.shape[1]), *said, *[""] * (most - len(said))]


@matplotlib.rc_context(STYLE)
def draw(path: Path, made: dict[str, Followed], full: float | None, abilities: dict[str, dict[str, float]]) -> None:
    """Plot the loss and score of each line by step, then its accuracy in each meta-task, one panel each.

    full, abilities: score and accuracies of full data at the end of training, drawn as dashed lines.
    """
    names = [(task, name) for task, own in next(iter(made.values())).abilities[-1].items() for name in own]
    high = -(-(2 + len(names)) // _WIDE)
    figure, axes = plt.subplots(high, _WIDE, figsize=(2.7 * _WIDE, 2.0 * high), squeeze=False)
    panels = list(axes.flat)
    for i, (label, run) in enumerate(made.items()):
        style = {"color": f"C{i % 10}", "marker": MARKERS[i % len(MARKERS)], "ms": 3, "lw": 1.2}
        parts = np.array_split(run.losses.mean(0), min(_PARTS, run.losses.shape[1]))
        ends = np.cumsum([len(part) for part in parts])
        panels[0].plot(ends, [part.mean() for part in parts], color=style["color"], lw=1.2, label=label)
        panels[1].plot(run.steps, [score.mean() for score in run.scores], **style)
        for axis, (task, name) in zip(panels[2:], names, strict=False):
            axis.plot(run.steps, [point[task][name] for point in run.abilities], **style)
    for axis, value in zip(
        panels[1:], [full, *(abilities.get(task, {}).get(name) for task, name in names)], strict=False
    ):
        if value is not None:
            axis.axhline(value, color="0.6", ls="--", lw=1)
    titles = ["loss, nats per token", f"{COLUMNS[FIGURE]}, %", *(f"{name.replace('_', ' ')}, %" for _, name in names)]
    for axis, title in zip(panels, titles, strict=False):
        axis.set_title(title, fontsize=7)
        axis.tick_params(labelsize=7)
    for axis in panels[len(titles) :]:
        axis.set_visible(False)
    figure.supxlabel("step", fontsize=8)
    figure.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
    figure.tight_layout()
    save(figure, path)
