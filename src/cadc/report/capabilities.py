"""reports/capabilities.md: the capabilities of each discovery, their stability and their most influential rows."""

from __future__ import annotations

import textwrap
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt

from cadc import artifacts
from cadc.capabilities.labels import agreements
from cadc.config.errors import InputError
from cadc.data.pictures import open_image
from cadc.report import existence, figures
from cadc.report.figures import STYLE, save
from cadc.report.stated import Stated
from cadc.report.text import markdown


def load_found(stated: Stated, name: str) -> tuple[dict, list[dict]]:
    """Read facts.json and rows.parquet of a discovery (`capabilities.description`). Raises InputError if missing."""
    folder = artifacts.FOUND / name
    if not (folder / "facts.json").exists():
        command = stated.command("discover", "discoveries", name)
        raise InputError(f"{folder}: not made yet; run `{command}`")
    return artifacts.read_json(folder / "facts.json"), artifacts.read_table(folder / "rows.parquet").to_pylist()


def section(name: str, facts: dict) -> str:
    """The text on one discovery. `draw` makes its plots."""
    body = []
    for c, (share, words) in enumerate(zip(facts["share"], facts["words"], strict=True)):
        own = sorted((one for one in facts["subtasks"] if one["capability"] == c), key=_place)
        body.append([str(c), f"{100 * share:.0f}%", ", ".join(one["name"] for one in own), " ".join(words)])
    stable = [
        [
            f"{one['tau']:g}",
            f"{one['resolution']:g}",
            str(one["capabilities"]),
            "" if one["ari"] is None else f"{one['ari']:.2f}",
            str(one["runs"]),
            "yes" if one["chosen"] else "",
        ]
        for one in facts["stability"]
    ]
    labels = agreements(facts["subtasks"], [one["capability"] for one in facts["subtasks"]])
    parts = [
        f"## {name}\n",
        markdown(["capability", "rows", "subtasks", "words"], body),
        existence.of_discovery(name, len(body), labels),
        "Stability:\n",
        markdown(["tau", "resolution", "capabilities", "ARI", "proxy runs", "chosen"], stable),
        f"![similarity of subtasks](plots/similarity_{name}.png)\n",
        f"![self-influence](plots/self_influence_{name}.png)\n",
        "The rows with the highest influence on each capability, without repeated questions:\n",
        f"![most influential rows](plots/rows_{name}.png)\n",
    ]
    return "\n".join(parts)


def _place(subtask: dict) -> tuple[str, str]:
    return subtask["meta_task"], subtask["name"]


def draw(name: str, facts: dict, rows: list[dict], plots: Path) -> None:
    """Plot the cosines of subtask trajectories, self-influence over the proxy run, and the most influential rows."""
    capability = np.array([one["capability"] for one in facts["subtasks"]])
    names = [one["name"] for one in facts["subtasks"]]
    figures.similarity(plots / f"similarity_{name}.png", np.array(facts["cosine"]), names, capability)
    figures.trends(plots / f"self_influence_{name}.png", facts["steps"], np.array(facts["self_influence"]))
    draw_rows(plots / f"rows_{name}.png", rows)


@matplotlib.rc_context(STYLE)
def draw_rows(path: Path, rows: list[dict]) -> None:
    """One line of images per capability, each with question and answer. rows: as `write_description` stores them."""
    lines = [[row for row in rows if row["capability"] == c] for c in range(max(row["capability"] for row in rows) + 1)]
    columns = max(len(line) for line in lines)
    figure, axes = plt.subplots(len(lines), columns, figsize=(2.1 * columns, 2.3 * len(lines)), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for line, places in zip(lines, axes, strict=True):
        for axis, row in zip(places, line, strict=False):
            if row["image"]:
                picture = open_image({"bytes": row["image"], "path": None})
                axis.imshow(np.asarray(picture), interpolation="nearest")
            said = [
                *textwrap.wrap(row["question"], 34, max_lines=4, placeholder=" …"),
                f"> {textwrap.shorten(row['answer'], 32)}",
            ]
            text = "\n".join(said).replace("$", r"\$")
            axis.text(0.5, -0.04, text, transform=axis.transAxes, ha="center", va="top", fontsize=6)
            axis.set_title(f"capability {row['capability']}: {row['influence']:.2g}", fontsize=6.5)
    figure.tight_layout(h_pad=2.5)
    save(figure, path)


def write(stated: Stated, plots: Path) -> None:
    """Write reports/capabilities.md and its plots: one section per discovery in params.yaml."""
    parts = [
        "# Capabilities\n",
        "A capability is a community of subtasks whose gradient updates point the same way (Leiden on the cosines of",
        "their trajectories). *Rows*: share of the pool whose influence is highest on this capability. *Words*: words",
        "that distinguish the questions of these rows (log-odds with a Dirichlet prior). *ARI* under *Stability*: mean",
        "pairwise adjusted Rand index of the partitions found on bootstrap draws of the probe rows (1: identical);",
        "empty where a discovery makes no such draws.\n",
        f"Under *Agreement with labels*, {existence.KEY} See also [testbed/capabilities.md](testbed/capabilities.md).",
        "Made by `dvc repro`.\n",
    ]
    for name in stated.root["discoveries"]:
        facts, rows = load_found(stated, name)
        draw(name, facts, rows, plots)
        parts.append(section(name, facts))
    artifacts.write_text(artifacts.REPORTS / "capabilities.md", "\n".join(parts))
