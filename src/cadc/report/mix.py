"""The mix of each pool version: tables and a picture of stacked bars."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt

from cadc.metabolism.mixes import Mix
from cadc.report.figures import STYLE, save
from cadc.report.text import markdown

_SHOWN = 9  # parts of a bar with their own colour
_COLOURS = [f"C{i}" for i in range(10) if i != 7]  # without grey, which stands for all other parts
_OTHERS = "0.8"
_DIGIT = 0.013  # width of a digit, as a fraction of the longest bar


def titles(mixes: list[Mix]) -> list[str]:
    """The names of the versions in reports. The first is the pool as it was read."""
    return ["as read", *(mix.version.replace("_", " ") for mix in mixes[1:])]


def changes_table(mixes: list[Mix]) -> str:
    """One line per version: its rows, the change since the previous version, and how it was made."""
    header = ["", "rows", "change", "added from the reserve", "copied", "rewritten", "answered step by step"]
    header += ["dropped"]
    body = []
    for i, (title, mix) in enumerate(zip(titles(mixes), mixes, strict=True)):
        done = [mix.collected, mix.copied, mix.rewritten, mix.reasoned, mix.dropped]
        change = f"{mix.n_rows - mixes[i - 1].n_rows:+d}" if i else ""
        body.append([title, str(mix.n_rows), change, *(map(str, done) if i else [""] * len(done))])
    return markdown(header, body)


def _ordered(parts: list[dict[str, int]]) -> list[str]:
    """The names of all parts, largest first by their maximum over versions."""
    names = {name for own in parts for name in own}
    return sorted(names, key=lambda name: (-max(own.get(name, 0) for own in parts), name))


def parts_table(mixes: list[Mix], parts: list[dict[str, int]]) -> str:
    """One line per part (source or kind), one column per version: rows, share, and change in rows."""
    body = []
    for name in _ordered(parts):
        cells = []
        for i, (mix, own) in enumerate(zip(mixes, parts, strict=True)):
            n, share = own.get(name, 0), 100 * own.get(name, 0) / max(1, mix.n_rows)
            change = f", {n - parts[i - 1].get(name, 0):+d}" if i else ""
            cells.append(f"{n} ({share:.1f}%{change})")
        body.append([name.replace("_", " "), *cells])
    return markdown(["", *titles(mixes)], body)


def _bars(axis, mixes: list[Mix], parts: list[dict[str, int]], title: str) -> None:
    """One bar per version, stacked by part; the smallest parts are merged into a grey one."""
    names = _ordered(parts)
    shown = names if len(names) <= _SHOWN else names[: _SHOWN - 1]
    others = [sum(own.get(name, 0) for name in names[len(shown) :]) for own in parts]
    layers = [(name.replace("_", " "), [own.get(name, 0) for own in parts]) for name in shown]
    layers += [(f"{len(names) - len(shown)} others", others)] if len(shown) < len(names) else []
    colours = [*_COLOURS[: len(shown)], _OTHERS]
    places, left = np.arange(len(mixes)), np.zeros(len(mixes))
    longest = max(mix.n_rows for mix in mixes)
    for (name, counts), colour in zip(layers, colours, strict=False):
        axis.barh(places, counts, left=left, color=colour, edgecolor="white", linewidth=0.6, height=0.72, label=name)
        for y, n, start in zip(places, counts, left, strict=True):
            if n >= _DIGIT * (len(str(n)) + 0.5) * longest:
                axis.text(start + n / 2, y, str(n), ha="center", va="center", fontsize=7)
        left += counts
    for y, end in zip(places, left, strict=True):
        change = f" ({end - left[y - 1]:+.0f})" if y else ""
        axis.annotate(
            f"{end:.0f}{change}", (end, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
        )
    axis.set_yticks(places, titles(mixes))
    axis.invert_yaxis()
    axis.set_xlim(0, 1.22 * longest)
    axis.set_xlabel("rows")
    axis.set_title(title, loc="left", fontsize=9)
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1.02), fontsize=7.5, labelspacing=0.3)


def figure_of(mixes: list[Mix]) -> plt.Figure:
    """Two panels with one bar per version: rows by source, and rows by question type."""
    figure, axes = plt.subplots(2, 1, figsize=(9, 2 * max(2.2, 0.5 * len(mixes) + 1)))
    _bars(axes[0], mixes, [mix.sources for mix in mixes], "by source")
    _bars(axes[1], mixes, [mix.kinds for mix in mixes], "by question type")
    figure.tight_layout(h_pad=2.0)
    return figure


@matplotlib.rc_context(STYLE)
def draw_mixes(path: Path, mixes: list[Mix]) -> None:
    """`figure_of` as a PNG, the same bytes each time."""
    save(figure_of(mixes), path)


def mix_section(mixes: list[Mix], picture: str) -> list[str]:
    """The report section on mixes. picture: path of the `draw_mixes` output, relative to the report."""
    return [
        "## Mix of the pool\n",
        "The pool as it was read, then after each accepted round. Changes are relative to the previous version.\n",
        changes_table(mixes),
        f"![rows by source and by question type, for each version]({picture})\n",
        "Rows by source:\n",
        parts_table(mixes, [mix.sources for mix in mixes]),
        "<details><summary>Rows by question type</summary>\n",
        parts_table(mixes, [mix.kinds for mix in mixes]),
        "</details>\n",
    ]
