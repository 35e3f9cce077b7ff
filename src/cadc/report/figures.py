"""The report's plots. PNGs contain no time, host or version, so the same inputs give the same bytes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from matplotlib.transforms import Bbox
from scipy import stats

from cadc.artifacts import whole
from cadc.report.difficulty import gaussian

if TYPE_CHECKING:
    from cadc.evaluation.intervals import Arm, Estimate

STYLE = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 110, "savefig.bbox": "tight",
    "svg.hashsalt": "cadc", "font.family": "DejaVu Sans",
}  # fmt: skip
MARKERS = "osD^vPX*"  # tell lines apart without colour


def save(figure, path: Path) -> None:
    with whole(path) as part:
        figure.savefig(part, metadata={"Software": None}, format=path.suffix[1:])
    plt.close(figure)


def in_percent(title: str) -> str:
    """A metric's title with its unit."""
    return title if "%" in title else f"{title}, %"


def _bounds(value: Estimate) -> tuple[float, float]:
    """The 95% interval; with one seed, the mean twice."""
    return (value.mean, value.mean) if math.isnan(value.low) else (value.low, value.high)


def _below_and_above(values: list[Estimate]) -> np.ndarray:
    """Error bars of the 95% intervals as matplotlib wants them: float64 [2, n]."""
    return np.array([[value.mean - _bounds(value)[0], _bounds(value)[1] - value.mean] for value in values]).T


def _plain_numbers(logarithmic) -> None:
    """Label a logarithmic axis 1, 2, 5, 10, ... without exponents."""
    logarithmic.set_major_locator(LogLocator(subs=(1, 2, 5)))
    logarithmic.set_major_formatter(StrMethodFormatter("{x:g}"))
    logarithmic.set_minor_formatter(NullFormatter())


def _label_points(axis, points: list[tuple[str, float, float]]) -> None:
    """Write each point's label at the nearest position that overlaps no point and no other label."""
    figure = axis.figure
    figure.canvas.draw()
    pixels = axis.transData.transform([(x, y) for _, x, y in points])
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in pixels]
    unit = figure.dpi / 72
    for (label, x, y), (at_x, at_y) in zip(points, pixels, strict=True):
        text = axis.annotate(label, (x, y), xytext=(6, 0), textcoords="offset points", va="center", fontsize=7)
        text.set_path_effects([withStroke(linewidth=2, foreground="white")])
        extent = text.get_window_extent()
        width, height = extent.width, extent.height
        beside, away = width / unit + 6, [side * step for step in range(0, 160, 4) for side in (1, -1)]
        for right, up in [(dx, dy) for dy in away for dx in (6, -beside)]:
            box = Bbox.from_bounds(at_x + right * unit, at_y + up * unit - height / 2, width, height)
            inside = axis.bbox.containsx(box.x0) and axis.bbox.containsx(box.x1)
            inside = inside and axis.bbox.containsy(box.y0) and axis.bbox.containsy(box.y1)
            if inside and not any(box.overlaps(other) for other in taken):
                text.set_position((right, up))
                taken.append(box)
                break


@matplotlib.rc_context(STYLE)
def intervals(path: Path, rows: list[tuple[str, Arm]], titles: dict[str, str], random: Arm | None) -> None:
    """Mean, 95% interval and every seed of each arm, one panel per metric in `titles`.

    rows: (label, arm), best first. random: random selection, whose interval is shaded.
    """
    height, width = 0.32 * len(rows) + 1.1, 2.5 if len(titles) > 1 else 4.5
    figure, axes = plt.subplots(1, len(titles), figsize=(width * len(titles), height), sharey=True, squeeze=False)
    for axis, (name, title) in zip(axes[0], titles.items(), strict=True):
        if random is not None:
            axis.axvspan(*_bounds(random.estimate(name)), color="C0", alpha=0.12, lw=0)
        for y, (_, arm) in enumerate(rows):
            estimate, seeds = arm.estimate(name), arm.runs[name]
            axis.plot(_bounds(estimate), [y, y], color="0.45", lw=2, zorder=1)
            axis.plot(seeds, np.full(len(seeds), y + 0.28), "o", color="0.45", ms=2.2, zorder=1)
            axis.plot(estimate.mean, y, "o", color="C0", zorder=2)
        axis.set_xlabel(in_percent(title))
        axis.grid(axis="x", color="0.9")
    first = axes[0][0]
    first.set_yticks(range(len(rows)), [label for label, *_ in rows])
    first.invert_yaxis()
    said = "mean and 95% interval; small dots: seeds" + ("; band: random rows" if random is not None else "")
    axes[0][0].annotate(said, (0, 1), xytext=(0, 8), xycoords="axes fraction", textcoords="offset points", fontsize=8)
    save(figure, path)


@matplotlib.rc_context(STYLE)
def similarity(path: Path, cosine: np.ndarray, names: list[str], capability: np.ndarray) -> None:
    """Plot the cosines of subtask trajectories, sorted by capability, with a frame around each capability."""
    order = np.argsort(capability, kind="stable")
    n = len(names)
    side = 0.21 if n <= 40 else 0.13  # inches per subtask; smaller when there are many
    figure, axis = plt.subplots(figsize=(side * n + 3, side * n + 1.2))
    image = axis.imshow(cosine[np.ix_(order, order)], cmap="RdBu_r", vmin=-1, vmax=1)
    axis.set_yticks(range(n), [names[i].replace("_", " ") for i in order], fontsize=7 if n <= 40 else 6)
    axis.set_xticks([])
    start = 0
    for c in range(capability.max() + 1):
        size = int((capability == c).sum())
        axis.add_patch(plt.Rectangle((start - 0.5, start - 0.5), size, size, fill=False, lw=1.6, ec="black"))
        axis.text(n + 0.2, start + size / 2 - 0.5, f"capability {c}", va="center")
        start += size
    figure.colorbar(image, ax=axis, fraction=0.03, pad=1.1 / (side * n), label="cosine")
    save(figure, path)


@matplotlib.rc_context(STYLE)
def trends(path: Path, steps: list[int], trend: np.ndarray) -> None:
    """Plot the mean self-influence of each capability's rows at the proxy's snapshots.

    trend: float64 [n_snapshots, n_capabilities].
    """
    figure, axis = plt.subplots(figsize=(5, 3))
    for c in range(trend.shape[1]):
        axis.plot(steps, trend[:, c], marker=MARKERS[c % len(MARKERS)], label=f"capability {c}")
    axis.set_yscale("log")
    _plain_numbers(axis.yaxis)
    axis.set_xlabel("proxy step")
    axis.set_ylabel("mean self-influence")
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, path)


@matplotlib.rc_context(STYLE)
def stages(path: Path, counts: np.ndarray) -> None:
    """Plot the rows of each capability (columns) in each stage (rows) of CADC's curriculum: int [n_stages, K]."""
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
def pareto(path: Path, points: list[tuple[str, float, Estimate]], title: str, band: Estimate | None) -> None:
    """Plot score against operations of selection plus fine-tuning. points: (label, operations, metric).

    Bars are 95% intervals. The step line is the Pareto front. band: random selection, whose interval is shaded.
    """
    figure, axis = plt.subplots(figsize=(5.5, 3.4))
    best, front = -np.inf, []
    if band is not None:
        axis.axhspan(*_bounds(band), color="C0", alpha=0.12, lw=0, label="random rows, 95%")
    for _, cost, value in sorted(points, key=lambda point: (point[1], -point[2].mean)):
        axis.errorbar(cost / 1e12, value.mean, yerr=_below_and_above([value]), fmt="o", color="C0", capsize=2)
        if value.mean > best:
            best = value.mean
            front.append((cost / 1e12, best))
    if front:
        axis.plot(*np.array(front).T, color="0.6", lw=1, zorder=0, drawstyle="steps-post", label="Pareto front")
    axis.set_xscale("log")
    _plain_numbers(axis.xaxis)
    axis.margins(x=0.16, y=0.08)
    axis.set_xlabel("selection and one fine-tuning, TFLOP")
    axis.set_ylabel(in_percent(title))
    axis.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=8)
    _label_points(axis, [(label, cost / 1e12, value.mean) for label, cost, value in points])
    save(figure, path)


@matplotlib.rc_context(STYLE)
def curves(
    path: Path, lines: dict[str, list[tuple[float, Estimate]]], full: float | None, title: str, random: str | None
) -> None:
    """Plot scores against budgets, one line per variant. lines: label -> (budget in percent, metric).

    full: mean score of full data, drawn as a horizontal line. random: the label of random selection, whose interval is
    shaded. Lines are shifted sideways a little, so that overlapping points stay visible.
    """
    figure, axis = plt.subplots(figsize=(5.5, max(3.4, 0.22 * len(lines) + 0.6)))
    for i, (label, points) in enumerate(lines.items()):
        beside = 1.02 ** (i - (len(lines) - 1) / 2)
        budgets, values = np.array([budget for budget, _ in points]), [value for _, value in points]
        means, marker = [value.mean for value in values], MARKERS[i % len(MARKERS)]
        color = plt.get_cmap("tab10")(i % 10)
        axis.errorbar(
            budgets * beside, means, yerr=_below_and_above(values), marker=marker, color=color, capsize=2, label=label
        )
        if label == random:
            axis.fill_between(
                budgets * beside, *np.array([_bounds(value) for value in values]).T, color=color, alpha=0.12, lw=0
            )
    if full is not None:
        axis.axhline(full, color="0.6", ls="--", lw=1, label="full data", zorder=0)
    axis.set_xscale("log")
    ticks = sorted({budget for points in lines.values() for budget, _ in points})
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.set_xlabel("rows, % of the pool")
    axis.set_ylabel(in_percent(title))
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, path)


@matplotlib.rc_context(STYLE)
def published(path: Path, points: list[tuple[str, float, Estimate]], title: str) -> None:
    """Plot our scores against a paper's, with 95% intervals. points: (label, the paper's score, ours)."""
    figure, axis = plt.subplots(figsize=(4.6, 3.8))
    theirs, ours = [figure for _, figure, _ in points], [value.mean for *_, value in points]
    yerr = _below_and_above([value for *_, value in points])
    axis.errorbar(theirs, ours, yerr=yerr, fmt="o", color="C0", capsize=2)
    axis.margins(x=0.2, y=0.08)
    axis.set_xlabel(f"published, {title}")
    axis.set_ylabel(f"here, {title}")
    axis.set_title(f"rank correlation {stats.spearmanr(theirs, ours).statistic:+.2f}")
    _label_points(axis, [(label, figure, value.mean) for label, figure, value in points])
    save(figure, path)


@matplotlib.rc_context(STYLE)
def compared(path: Path, pairs: dict[str, dict[str, list[float]]]) -> None:
    """Rel. % of methods in the generated world and on a real model, a panel for each pair of tables: title -> method ->
    both figures."""
    figure, axes = plt.subplots(1, len(pairs), figsize=(4.2 * len(pairs), 3.6), squeeze=False)
    for axis, (title, methods) in zip(axes[0], pairs.items(), strict=True):
        x, y = np.array(list(methods.values())).T
        axis.plot(x, y, "o", ms=4)
        axis.margins(x=0.2, y=0.1)
        axis.set_xlabel("generated world, Rel. %")
        axis.set_ylabel("real model, Rel. %")
        axis.set_title(title, fontsize=9)
        _label_points(axis, [(name, here, there) for name, (here, there) in methods.items()])
    figure.tight_layout()
    save(figure, path)


@matplotlib.rc_context(STYLE)
def difficulty(
    path: Path,
    points: dict[str, tuple[np.ndarray, np.ndarray]],
    fits: dict[str, tuple[float, float, float, float] | None],
    title: str,
) -> None:
    """Plot gain against difficulty with the fitted Gaussian, one panel per benchmark: see `report.difficulty`."""
    figure, axes = plt.subplots(1, max(1, len(points)), figsize=(3.4 * max(1, len(points)), 2.9), squeeze=False)
    for axis, (name, (hard, gain)) in zip(axes[0], points.items(), strict=False):
        axis.axhline(0, color="0.8", lw=1)
        axis.plot(hard, gain, "o", ms=4)
        if (fit := fits[name]) is not None:
            x = np.linspace(0, 100, 201)
            axis.plot(x, gaussian(x, *fit[:3]), color="C1", lw=1, label=f"R² {fit[3]:.2f}")
            axis.legend(frameon=False, fontsize=8)
        axis.set_title(name)
        axis.set_xlabel("difficulty: error of full data, %")
        axis.set_ylabel(title)
    save(figure, path)
