"""The report's figures. No time, host or version is written into a PNG: the same inputs give the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from cadc.evaluation.intervals import Estimate

STYLE = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 110, "savefig.bbox": "tight",
    "svg.hashsalt": "cadc", "font.family": "DejaVu Sans",
}  # fmt: skip


def save(figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


@matplotlib.rc_context(STYLE)
def leaderboard(path: Path, rows: list[tuple[str, dict[str, Estimate]]], titles: dict[str, str]) -> None:
    """Mean and 95% interval of every benchmark, one panel a benchmark; rows are (label, figures), best first."""
    figure, axes = plt.subplots(1, len(titles), figsize=(2.5 * len(titles), 0.32 * len(rows) + 1.1), sharey=True)
    for axis, (name, title) in zip(np.atleast_1d(axes), titles.items(), strict=True):
        for y, (_, figures) in enumerate(rows):
            value = figures[name]
            axis.plot([value.low, value.high], [y, y], color="0.55", lw=2, zorder=1)
            axis.plot(value.mean, y, "o", color="C0", zorder=2)
        axis.set_title(title)
        axis.grid(axis="x", color="0.9")
    first = np.atleast_1d(axes)[0]
    first.set_yticks(range(len(rows)), [label for label, _ in rows])
    first.invert_yaxis()
    save(figure, path)


@matplotlib.rc_context(STYLE)
def similarity(path: Path, cosine: np.ndarray, names: list[str], capability: np.ndarray) -> None:
    """Cosines of the subtasks' trajectories, ordered and framed by capability."""
    order = np.argsort(capability, kind="stable")
    n = len(names)
    figure, axis = plt.subplots(figsize=(0.21 * n + 3, 0.21 * n + 1.2))
    image = axis.imshow(cosine[np.ix_(order, order)], cmap="RdBu_r", vmin=-1, vmax=1)
    axis.set_yticks(range(n), [names[i] for i in order], fontsize=7)
    axis.set_xticks([])
    start = 0
    for c in range(capability.max() + 1):
        size = int((capability == c).sum())
        axis.add_patch(plt.Rectangle((start - 0.5, start - 0.5), size, size, fill=False, lw=1.6, ec="black"))
        axis.text(n + 0.2, start + size / 2 - 0.5, f"capability {c}", va="center")
        start += size
    figure.colorbar(image, ax=axis, fraction=0.04, pad=0.16, label="cosine")
    save(figure, path)


@matplotlib.rc_context(STYLE)
def trends(path: Path, steps: list[int], trend: np.ndarray) -> None:
    """Mean self-influence of each capability's rows at the proxy's snapshots, over its own mean: float64 [M, K]."""
    figure, axis = plt.subplots(figsize=(5, 3))
    relative = trend / np.maximum(trend.mean(0), 1e-30)
    for c in range(trend.shape[1]):
        axis.plot(steps, relative[:, c], "o-", label=f"capability {c}")
    axis.set_xlabel("proxy step")
    axis.set_ylabel("self-influence / its mean")
    axis.legend(frameon=False)
    save(figure, path)


@matplotlib.rc_context(STYLE)
def stages(path: Path, counts: np.ndarray) -> None:
    """Rows of each capability (columns) in each stage (rows) of CADC's curriculum: int [n_stages, K]."""
    figure, axis = plt.subplots(figsize=(5, 0.4 * len(counts) + 1.3))
    left = np.zeros(len(counts))
    for c in range(counts.shape[1]):
        axis.barh(range(len(counts)), counts[:, c], left=left, label=f"capability {c}")
        left += counts[:, c]
    axis.set_yticks(range(len(counts)), [f"stage {k + 1}" for k in range(len(counts))])
    axis.invert_yaxis()
    axis.set_xlabel("rows, replay included")
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, path)


@matplotlib.rc_context(STYLE)
def pareto(path: Path, points: list[tuple[str, float, Estimate]], title: str) -> None:
    """Score against the operations of selection and tuning: points of (label, operations, figure), best ones joined."""
    figure, axis = plt.subplots(figsize=(5.5, 3.2))
    best, front = -np.inf, []
    for label, cost, value in sorted(points, key=lambda point: (point[1], -point[2].mean)):
        axis.errorbar(cost / 1e12, value.mean, yerr=value.sd, fmt="o", color="C0", capsize=2)
        axis.annotate(label, (cost / 1e12, value.mean), xytext=(5, 4), textcoords="offset points", fontsize=7)
        if value.mean > best:
            best = value.mean
            front.append((cost / 1e12, best))
    if front:
        axis.plot(*np.array(front).T, color="0.6", lw=1, zorder=0)
    axis.set_xscale("log")
    axis.set_xlabel("selection + one tuning, 10$^{12}$ floating-point operations")
    axis.set_ylabel(title)
    save(figure, path)


@matplotlib.rc_context(STYLE)
def curves(path: Path, lines: dict[str, list[tuple[float, float, float]]], full: float | None, title: str) -> None:
    """Scores against budgets: a line a variant through its (budget in percent, mean, sd), full data's mean across."""
    figure, axis = plt.subplots(figsize=(5.5, 3.2))
    for label, points in lines.items():
        budget, mean, sd = np.array(points).T
        axis.errorbar(budget, mean, yerr=sd, fmt="o-", capsize=2, label=label)
    if full is not None:
        axis.axhline(full, color="0.6", ls="--", lw=1, label="full data", zorder=0)
    axis.set_xscale("log")
    ticks = sorted({budget for points in lines.values() for budget, _, _ in points})
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.set_xlabel("rows, % of the pool")
    axis.set_ylabel(title)
    axis.legend(frameon=False)
    save(figure, path)


@matplotlib.rc_context(STYLE)
def variants(path: Path, rows: list[tuple[str, list[float]]], title: str) -> None:
    """One line a row: every seed's score as a dot, their mean as a bar; the first row's mean runs down the figure."""
    figure, axis = plt.subplots(figsize=(5.5, 0.3 * len(rows) + 0.9))
    axis.axvline(np.mean(rows[0][1]), color="0.8", lw=1, zorder=0)
    for y, (_, values) in enumerate(rows):
        axis.plot(values, [y] * len(values), "o", color="C0", alpha=0.5, ms=4)
        axis.plot(np.mean(values), y, "|", color="black", ms=13)
    axis.set_yticks(range(len(rows)), [label for label, _ in rows])
    axis.invert_yaxis()
    axis.set_xlabel(title)
    save(figure, path)
