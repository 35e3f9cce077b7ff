"""reports/views: cluster purity by the features that rows are compared by, and the pool rows nearest to benchmark rows
in each view."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt

from cadc import artifacts
from cadc.data.pictures import open_image
from cadc.data.wording import IMAGE_TOKEN
from cadc.report.figures import MARKERS, STYLE, save
from cadc.report.text import markdown

FOLDER = artifacts.REPORTS / "views"


def write_purity(made: dict[str, dict[str, dict[int, tuple[float, float]]]]) -> None:
    """Write purity.md and purity.png. made: label -> view -> number of clusters -> purity, and purity of shuffled
    labels."""
    views = list(next(iter(made.values())))
    parts = [
        "# Cluster purity\n",
        "Clusters of the pool by its images, by its questions, or by both concatenated (spherical k-means, as in\n"
        "PROGRESS). *Purity* is the share of rows that have the most common label of their cluster, in %; in\n"
        "brackets the purity of shuffled labels. Fig. 3 of PROGRESS reports this for the skills of LLaVA-665K. The\n"
        "labels are used in reports only.\n"
        "Made by `dvc repro pipelines/views/dvc.yaml:purity`.\n",
    ]
    for label, by_view in made.items():
        body = [
            [str(k), *(f"{100 * by_view[view][k][0]:.1f} ({100 * by_view[view][k][1]:.1f})" for view in views)]
            for k in by_view[views[0]]
        ]
        parts += [f"## {label}\n", markdown(["clusters", *views], body)]
    parts.append("![purity](purity.png)\n")
    FOLDER.mkdir(parents=True, exist_ok=True)
    artifacts.write_text(FOLDER / "purity.md", "\n".join(parts))
    _draw_purity(FOLDER / "purity.png", made)


@matplotlib.rc_context(STYLE)
def _draw_purity(path: Path, made: dict[str, dict[str, dict[int, tuple[float, float]]]]) -> None:
    figure, axes = plt.subplots(1, len(made), figsize=(3.2 * len(made), 2.8), squeeze=False, sharey=True)
    for axis, (label, by_view) in zip(axes[0], made.items(), strict=True):
        for i, (view, values) in enumerate(by_view.items()):
            axis.plot(list(values), [100 * own for own, _ in values.values()], marker=MARKERS[i], ms=4, label=view)
        axis.set_xscale("log")
        axis.set_xticks(list(values), [str(k) for k in values])
        axis.minorticks_off()
        axis.set_title(label)
        axis.set_xlabel("clusters")
    axes[0][0].set_ylabel("purity, %")
    figure.legend(*axes[0][0].get_legend_handles_labels(), frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.tight_layout()
    save(figure, path)


@dataclass(frozen=True)
class Shown:
    """A row as shown on a page: first image (as stored in the pool, or None), question, answer and skills. near: its
    cosine to the benchmark row."""

    picture: dict | None
    question: str
    answer: str
    skills: list[str]
    near: float | None = None

    @classmethod
    def of(cls, record: dict, skills: list[str], near: float | None = None) -> Shown:
        question, answer = (turn["text"].replace(IMAGE_TOKEN, " ") for turn in record["turns"][:2])
        picture = record["images"][0] if record["images"] else None
        return cls(picture, " ".join(question.split()), " ".join(answer.split()), skills, near)


def write_neighbours(rows: list[tuple[str, Shown, dict[str, list[Shown]]]]) -> None:
    """Write neighbours.md and neighbours.png. rows: for each target one benchmark row and, by view, the pool rows
    nearest to it."""
    parts = [
        "# Pool rows nearest to benchmark rows\n",
        "One row of each target with the skills extracted from its question, and the pool rows nearest to it by\n"
        "concept (its image) and by skill. Targeted selection takes such rows one by one.\n"
        "Made by `dvc repro pipelines/views/dvc.yaml:neighbours`.\n",
        "![neighbours](neighbours.png)\n",
    ]
    for target, row, near in rows:
        body = [["target row", "", _cell(row.question), _cell(row.answer), _cell("; ".join(row.skills))]]
        for view, found in near.items():
            body += [
                [f"by {view}", f"{one.near:.2f}", _cell(one.question), _cell(one.answer), _cell("; ".join(one.skills))]
                for one in found
            ]
        parts += [f"## {target}\n", markdown(["", "cosine", "question", "answer", "skills"], body)]
    FOLDER.mkdir(parents=True, exist_ok=True)
    artifacts.write_text(FOLDER / "neighbours.md", "\n".join(parts))
    _draw_neighbours(FOLDER / "neighbours.png", rows)


def _cell(text: str) -> str:
    return textwrap.shorten(text, 120, placeholder=" …").replace("|", "\\|")


@matplotlib.rc_context(STYLE)
def _draw_neighbours(path: Path, rows: list[tuple[str, Shown, dict[str, list[Shown]]]]) -> None:
    """One line per target: its row, then the nearest row in each view."""
    views = list(rows[0][2])
    figure, axes = plt.subplots(
        len(rows), 1 + len(views), figsize=(2.5 * (1 + len(views)), 2.5 * len(rows)), squeeze=False
    )
    for line, (target, row, near) in zip(axes, rows, strict=True):
        for axis, title, one in zip(
            line, [target, *(f"by {v}" for v in views)], [row, *(near[v][0] for v in views)], strict=True
        ):
            axis.axis("off")
            axis.set_title(title if one.near is None else f"{title}: {one.near:.2f}", fontsize=6.5)
            if one.picture is not None:
                axis.imshow(np.asarray(open_image(one.picture)), interpolation="nearest")
            said = [
                *textwrap.wrap(one.question, 42, max_lines=3, placeholder=" …"),
                f"> {textwrap.shorten(one.answer, 40)}",
            ]
            said += textwrap.wrap("; ".join(one.skills), 46, max_lines=3, placeholder=" …")
            text = "\n".join(said).replace("$", r"\$")
            axis.text(0.5, -0.04, text, transform=axis.transAxes, ha="center", va="top", fontsize=5.5)
    figure.tight_layout(h_pad=3.2)
    save(figure, path)
