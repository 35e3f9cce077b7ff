"""A study's tables: variants of the pipeline beside each other, each a mean over seeds, in Markdown and as pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator
from scipy import stats

from cadc import artifacts
from cadc.config.params import Section, Seed
from cadc.evaluation.statistics import mean_over, relative
from cadc.report import figures
from cadc.report.leaderboard import REPORTS, markdown, percent

COLUMNS = {
    "corrected_open": "open",
    "corrected_yesno": "yes/no",
    "corrected_choice": "choice",
    "corrected_mean": "corrected",
    "llava_wild": "LLaVA-Wild",
    "relative": "Rel. %",
}


class Variant(Section):
    """One row of a table (one a budget): a method, and the parameters that differ from params.yaml."""

    label: str
    method: str = "cadc"
    set: dict[str, Any] = Field(default_factory=dict)


class Question(Section):
    """A table. Differences are to its first variant; a variant's `set` outranks the table's."""

    title: str
    about: str
    split: Literal["probe", "score"]
    seeds: list[Seed] = Field(min_length=2)
    set: dict[str, Any] = Field(default_factory=dict)
    variants: list[Variant] = Field(min_length=1)
    plot: bool = False  # draw it, too: a curve where there are several budgets
    claims: list[
        tuple[str, str]
    ] = []  # (better, worse), by label: what is claimed of the variants, checked seed by seed

    @model_validator(mode="after")
    def _claimed(self):
        if unknown := {label for pair in self.claims for label in pair} - {variant.label for variant in self.variants}:
            raise ValueError(f"{self.title}: claims name {', '.join(sorted(unknown))}, which is no variant's label")
        return self

    @field_validator("set")
    @classmethod
    def _one_split(cls, changes):
        if {"evaluate.split", "seeds"} & set(changes):
            raise ValueError("a table's split and seeds have keys of their own")
        return changes

    def changes(self, variant: Variant) -> dict[str, Any]:
        return {"evaluate.split": self.split, "seeds": self.seeds, **self.set, **variant.set}


class Study(Section):
    """A file of studies/: what it is about, and its tables."""

    title: str
    about: str
    tables: list[Question] = Field(min_length=1)


def named(method: str, changes: dict[str, Any]) -> str:
    """The cell under which a variant's figures are kept: tables that share it compute it once."""
    return " ".join([method, *(f"{key}={value}" for key, value in sorted(changes.items()))])


@dataclass(frozen=True)
class Row:
    """One row of a table: figures by seed at one budget, and what they cost: operations of selection and of one tuning."""

    variant: Variant
    budget: str
    runs: dict[str, dict[str, float]]
    flops: list[float] | None = None
    stale: bool = False

    @property
    def label(self) -> str:
        return self.variant.label + " †" * self.stale

    def values(self, name: str) -> list[float]:
        return [run[name] for run in self.runs.values()]


def rows_of(table: Question, made: dict[str, dict]) -> list[Row]:
    """The rows made so far, budgets ascending; `full`, if the table has it, is what Rel. % divides by."""
    rows = []
    for variant in table.variants:
        entry = made.get(named(variant.method, table.changes(variant)), {"figures": {}})
        budgets = sorted(entry["figures"].items(), key=lambda item: float(percent(item[0])[:-1]))
        rows += [
            Row(variant, budget, runs, entry.get("flops", {}).get(budget), entry.get("stale", False))
            for budget, runs in budgets
        ]
    full = next((mean_over(list(row.runs.values())) for row in rows if row.variant.method == "full"), None)
    if full is None:
        return rows
    return [
        replace(row, runs={seed: run | {"relative": relative(run, full)} for seed, run in row.runs.items()})
        for row in rows
    ]


def columns_of(rows: list[Row]) -> list[str]:
    """The figures that every run of every row has."""
    return [name for name in COLUMNS if all(name in run for row in rows for run in row.runs.values())]


def judged_by(rows: list[Row]) -> str:
    """The figure that differences are taken of: relative to full data where that was run."""
    return "relative" if "relative" in columns_of(rows) else "corrected_mean"


def difference(row: Row, first: Row, name: str) -> str:
    """Mean difference over the seeds that both have, and twice its standard deviation; unpaired where they share fewer than two."""
    shared = [seed for seed in row.runs if seed in first.runs]
    if len(shared) > 1:
        apart = np.array([row.runs[seed][name] - first.runs[seed][name] for seed in shared])
        return f"{apart.mean():+.1f} ({2 * apart.std(ddof=1):.1f})"
    spread = np.sqrt(np.var(row.values(name), ddof=1) + np.var(first.values(name), ddof=1))
    return f"{np.mean(row.values(name)) - np.mean(first.values(name)):+.1f} ({2 * spread:.1f})"


def interval(apart: np.ndarray) -> tuple[float, float, float]:
    """Mean of the seeds' differences float64 [n_seeds] with its 95% interval by Student's t."""
    half = stats.t.ppf(0.975, len(apart) - 1) * apart.std(ddof=1) / np.sqrt(len(apart))
    return apart.mean(), apart.mean() - half, apart.mean() + half


def checked(table: Question, rows: list[Row], judged: str) -> str:
    """Line by line whether what is claimed holds, at every budget that both variants have: where the interval excludes 0, or else leans."""
    body = []
    for better, worse in table.claims:
        for one in (row for row in rows if row.variant.label == better):
            for other in (row for row in rows if row.variant.label == worse and row.budget == one.budget):
                shared = [seed for seed in one.runs if seed in other.runs]
                if len(shared) < 2:
                    continue
                mean, low, high = interval(
                    np.array([one.runs[seed][judged] - other.runs[seed][judged] for seed in shared])
                )
                verdict = (
                    "holds"
                    if low > 0
                    else "reversed"
                    if high < 0
                    else f"open, leans {'to it' if mean > 0 else 'against it'}"
                )
                body.append(
                    [
                        f"{better} > {worse}, {percent(one.budget)}",
                        f"{mean:+.1f}",
                        f"{low:+.1f} to {high:+.1f}",
                        verdict,
                    ]
                )
    return (
        "\n" + markdown(["claim", f"difference in {COLUMNS[judged]}", "95% interval", "verdict"], body) if body else ""
    )


def tabulated(table: Question, made: dict[str, dict]) -> str:
    """The table in Markdown: mean ± sd over seeds; differences to the first variant at the same budget."""
    rows = rows_of(table, made)
    if not rows:
        return "Not run yet.\n"
    names, judged = columns_of(rows), judged_by(rows)
    counted = all(row.flops for row in rows)
    first = {row.budget: row for row in rows if row.variant == table.variants[0]}
    body = []
    for row in rows:
        said = [f"{np.mean(row.values(name)):.1f} ± {np.std(row.values(name), ddof=1):.1f}" for name in names]
        versus = first.get(row.budget)
        label = (
            row.variant.label if row.variant.method == "full" else f"{row.variant.label}, {percent(row.budget)}"
        ) + " †" * row.stale
        cost = [f"{row.flops[0] / 1e12:.1f}", f"{sum(row.flops) / 1e12:.1f}"] if counted else []
        body.append([label, *said, difference(row, versus, judged) if versus and versus is not row else "", *cost])
    header = [
        "",
        *(COLUMNS[name] for name in names),
        f"difference in {COLUMNS[judged]} (2 sd)",
        *(["selection, TFLOP", "with tuning"] if counted else []),
    ]
    note = "\n† made with earlier code or parameters, not made again yet.\n" if any(row.stale for row in rows) else ""
    return markdown(header, body) + note + checked(table, rows, judged)


def draw(path: Path, table: Question, made: dict[str, dict]) -> None:
    """What the table judges by, as a picture: against budgets where a variant has several, else each seed's of every variant."""
    rows = rows_of(table, made)
    judged = judged_by(rows)
    parts = [row for row in rows if row.variant.method != "full"]
    if len({row.budget for row in parts}) > 1:
        lines: dict[str, list[tuple[float, float, float]]] = {}
        for row in parts:
            point = (
                float(percent(row.budget)[:-1]),
                float(np.mean(row.values(judged))),
                float(np.std(row.values(judged), ddof=1)),
            )
            lines.setdefault(row.label, []).append(point)
        full = next((float(np.mean(row.values(judged))) for row in rows if row.variant.method == "full"), None)
        figures.curves(path, lines, full, COLUMNS[judged])
    else:
        figures.variants(path, [(row.label, row.values(judged)) for row in rows], COLUMNS[judged])


def write(study: Study, name: str, made: dict[str, dict]) -> None:
    """reports/NAME.json and .md, with every table as far as it is made, and reports/NAME/ with the pictures of those that ask for one."""
    artifacts.write_json(REPORTS / f"{name}.json", made)
    parts = [f"# {study.title}\n", study.about.strip() + f"\n\nMade by `python -m cadc.study studies/{name}.yaml`.\n"]
    for table in study.tables:
        about = f"{table.about.strip()} {table.split.capitalize()} split, seeds {', '.join(map(str, table.seeds))}.\n"
        parts += [f"## {table.title}\n", about, tabulated(table, made)]
        if table.plot and rows_of(table, made):
            picture = Path(name) / f"{re.sub('[^a-z0-9]+', '_', table.title.lower()).strip('_')}.png"
            draw(REPORTS / picture, table, made)
            parts.append(f"![{table.title}]({picture.as_posix()})\n")
    (REPORTS / f"{name}.md").write_text("\n".join(parts))
