"""The leaderboard: one metrics file for DVC, one table for people."""

from __future__ import annotations

from pathlib import Path

from cadc.evaluation.statistics import BENCHMARKS, OTHERS

REPORTS = Path("reports")
Summary = dict[tuple[str, str], dict[str, dict[str, float]]]


def metrics(summary: Summary) -> dict:
    """Nested method -> budget -> figure -> mean, sd, low, high; rounded to what the scoring rows can tell apart."""
    out: dict = {}
    for (method, budget), figures in sorted(summary.items()):
        out.setdefault(method, {})[budget] = {
            name: {k: round(v, 2) for k, v in value.items()} for name, value in sorted(figures.items())
        }
    return out


def summary_of(metrics: dict) -> Summary:
    """The inverse of `metrics`: what every table is made from, so that all show the same rounded figures."""
    return {(method, budget): figures for method, budgets in metrics.items() for budget, figures in budgets.items()}


def percent(budget: str) -> str:
    """`b05` -> `5%`, `b00_5` -> `0.5%`."""
    whole, _, tenths = budget[1:].partition("_")
    return f"{int(whole)}{'.' + tenths if tenths else ''}%"


def ranked(summary: Summary) -> list[tuple[str, str]]:
    """Cells by relative performance (else by the mean of the benchmarks), best first, ties by name."""

    def score(cell):
        figures = summary[cell]
        return (
            figures["relative"]["mean"]
            if "relative" in figures
            else sum(figures[name]["mean"] for name in BENCHMARKS if name in figures)
        )

    return sorted(summary, key=lambda cell: (-score(cell), cell))


def rows(summary: Summary) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the leaderboard: mean ± sd over seeds."""
    names = [name for name in BENCHMARKS if name in next(iter(summary.values()))]
    header = ["method", *(BENCHMARKS[name] for name in names), "corrected", "Rel. %", "95% interval"]
    out = []
    for cell in ranked(summary):
        figures = summary[cell]
        cells = [f"{figures[name]['mean']:.1f} ± {figures[name]['sd']:.1f}" for name in (*names, "corrected_mean")]
        rel = figures.get("relative")
        cells += [f"{rel['mean']:.1f} ± {rel['sd']:.1f}", f"{rel['low']:.1f} to {rel['high']:.1f}"] if rel else ["", ""]
        out.append([f"{cell[0]} {percent(cell[1])}", *cells])
    return header, out


def markdown(header: list[str], body: list[list[str]]) -> str:
    """A GitHub table, the first column to the left and the others to the right."""
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join([":--", *["--:"] * (len(header) - 1)]) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in body)]) + "\n"


def secondary(summary: Summary) -> str:
    """The figures beside the headline ones, as a table."""
    names = [name for name in OTHERS if name in next(iter(summary.values()))]
    body = [
        [f"{method} {budget}", *(f"{summary[method, budget][name]['mean']:.1f}" for name in names)]
        for method, budget in ranked(summary)
    ]
    return markdown(["method", *(name.replace("_", " ") for name in names)], body)
