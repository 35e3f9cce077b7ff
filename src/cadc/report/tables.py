"""Tables that compare arms, made from small results alone: scores, intervals and tests of claims.

A table's specification (`pipelines/NAME/params.json`): title, about, split, plot, rows [{label, arm}], claims [[label,
label]], published {label: the paper's score}, full: the arm that Rel. % divides by, or null. `evaluation.intervals`
defines the intervals.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cadc import artifacts
from cadc.compose.studies import FEWEST_PUBLISHED, slug
from cadc.config.arms import percent
from cadc.config.errors import InputError
from cadc.evaluation.intervals import Arm, Difference, Estimate, arm_of, holm
from cadc.evaluation.intervals import difference as apart
from cadc.evaluation.results import load_samples
from cadc.evaluation.statistics import Samples
from cadc.report import costs, figures
from cadc.report.stated import Stated, titled
from cadc.report.text import markdown

COLUMNS = {
    "corrected_open": "open",
    "corrected_yesno": "yes/no",
    "corrected_choice": "choice",
    "corrected_mean": "corrected",
    "llava_wild": "LLaVA-Wild",
    "relative": "Rel. %",
}
LEVEL, RULE = 0.05, Path("docs/statistics.md")  # threshold on the corrected p-value of a claim; its documentation


@dataclass(frozen=True)
class Line:
    """One row: a measured arm with its label. `whole`: it trains on all rows, so its title has no budget."""

    label: str
    arm: str
    method: str
    budget: float
    whole: bool
    measured: Arm
    cost: costs.Cost | None

    @property
    def title(self) -> str:
        return titled(self.label, self.budget, self.whole)

    def mean(self, figure: str) -> float:
        return float(self.measured.runs[figure].mean())


@dataclass(frozen=True)
class Claim:
    """The claim that `better` is ahead of `worse` at one budget. `p` is corrected for all claims of the table."""

    better: Line
    worse: Line
    difference: Difference
    p: float

    @property
    def verdict(self) -> str:
        if not self.p < LEVEL:
            return "open"
        return "holds" if self.difference.mean > 0 else "reversed"


@dataclass(frozen=True)
class Table:
    """A table's lines. first: the label that differences are to. left_out: tasks that some arm lacks."""

    spec: dict[str, Any]
    lines: list[Line]
    first: str
    left_out: list[str]
    isa: str  # compute.isa

    @property
    def columns(self) -> list[str]:
        """The figures of COLUMNS that every line has."""
        return [name for name in COLUMNS if all(name in line.measured.runs for line in self.lines)]

    @property
    def judged(self) -> str:
        """The metric that differences use: relative to full data if the table has it and it is finite (it is not
        for a full-data score of 0). Raises InputError if no metric is finite."""
        there = [name for name in self.columns if all(math.isfinite(line.mean(name)) for line in self.lines)]
        if not there:
            raise InputError(f"{self.spec['title']}: no finite metric; score all rows on one benchmark at least")
        return next(name for name in ("relative", "corrected_mean", *there) if name in there)

    def difference(self, line: Line) -> Difference | None:
        """Difference to the first row at the same budget; None if there is no such row or the line is that row."""
        first = next((one for one in self.lines if (one.label, one.budget) == (self.first, line.budget)), line)
        return None if first is line else apart(line.measured, first.measured, self.judged)

    def claims(self) -> list[Claim]:
        """Every claim, at each budget that both rows have."""
        pairs = [
            (one, other)
            for better, worse in self.spec["claims"]
            for one in self.lines
            for other in self.lines
            if (one.label, other.label) == (better, worse) and (one.budget == other.budget or one.whole or other.whole)
        ]
        made = [apart(one.measured, other.measured, self.judged) for one, other in pairs]
        corrected = holm([difference.p for difference in made])
        return [Claim(*pair, found, p) for pair, found, p in zip(pairs, made, corrected, strict=True)]


def samples_of(stated: Stated, arms: list[str]) -> tuple[dict[str, dict[int, Samples]], list[str]]:
    """Samples of each arm by seed, limited to tasks that all arms were scored on, and the tasks left out.

    Raises InputError naming the command to run if an arm's results are missing.
    """
    made = {}
    for arm in arms:
        command = stated.command("score", "arms", arm)
        try:
            made[arm] = load_samples(arm)
        except FileNotFoundError:
            raise InputError(f"{artifacts.ARMS / arm}: not made yet; run `{command}`") from None
    tasks = [set(run.task.tolist()) for runs in made.values() for run in runs.values()]
    common, left_out = set.intersection(*tasks), sorted(set.union(*tasks) - set.intersection(*tasks))
    if left_out:
        made = {arm: {seed: _of_tasks(run, common) for seed, run in runs.items()} for arm, runs in made.items()}
    return made, left_out


def _of_tasks(run: Samples, tasks: set[str]) -> Samples:
    """The samples of some tasks. Strings get the narrowest dtype, because rows are compared by their bytes."""
    at = np.isin(run.task, sorted(tasks))
    kept = {name: values[at] for name, values in vars(run).items() if isinstance(values, np.ndarray)}
    texts = {name: np.array(values.tolist()) for name, values in kept.items() if values.dtype.kind == "U"}
    return replace(run, **kept | texts)


def make(spec: dict[str, Any], stated: Stated, n_bootstrap: int, first: str | None = None) -> Table:
    """Measure a table's arms. first: the label that differences are to; by default the first row's.

    Raises InputError if an arm has no results or arms were scored on different samples.
    """
    wanted = [*(row["arm"] for row in spec["rows"]), *([spec["full"]] if spec["full"] else [])]
    samples, left_out = samples_of(stated, list(dict.fromkeys(wanted)))
    try:
        made = {arm: arm_of(arm, runs, n_bootstrap) for arm, runs in samples.items()}
        one, *_ = made
        for arm, measured in made.items():
            if measured.rows != made[one].rows:
                raise InputError(f"{arm} and {one} were scored on different samples; score both on the same benchmarks")
        if spec["full"]:
            made = {arm: measured.relative_to(made[spec["full"]]) for arm, measured in made.items()}
    except InputError as error:
        raise InputError(f"{spec['title']}: {error}") from None
    per_row, lines = costs.load_counted(), []
    for row in spec["rows"]:
        said = stated.arm(row["arm"])
        cost = costs.cost_of(stated, row["arm"], per_row)
        method = said["method"]
        lines.append(Line(row["label"], row["arm"], method, said["budget"], method == "full", made[row["arm"]], cost))
    return Table(spec, lines, first or spec["rows"][0]["label"], left_out, stated.root["compute"]["isa"])


def mean_sd(line: Line, figure: str) -> str:
    """`12.3 ± 0.4`; with one seed, the mean alone."""
    mean, sd = (made := line.measured.estimate(figure)).mean, made.sd
    return f"{mean:.1f}" + ("" if math.isnan(sd) else f" ± {sd:.1f}")


def interval(low: float, high: float, sign: str = "") -> str:
    """`1.2 to 3.4`, or with `sign` "+" `+1.2 to +3.4`; "" with one seed, which gives no interval."""
    low, high = (round(value, 1) + 0.0 for value in (low, high))  # no -0.0
    return "" if math.isnan(low) else f"{low:{sign}.1f} to {high:{sign}.1f}"


def _signed(made: Difference | None) -> str:
    if made is None:
        return ""
    between = interval(made.low, made.high, "+")
    return f"{round(made.mean, 1) + 0.0:+.1f}" + (f" ({between})" if between else "")


def tabulated(table: Table) -> str:
    """The table in Markdown."""
    judged, counted = table.judged, any(line.cost for line in table.lines)
    theirs, body = table.spec["published"], []
    for line in table.lines:
        estimate = line.measured.estimate(judged)
        cost = [f"{x / 1e12:.1f}" for x in (line.cost.selection, line.cost.together)] if line.cost else ["", ""]
        body.append(
            [
                line.title,
                *(mean_sd(line, name) for name in table.columns),
                interval(estimate.low, estimate.high),
                _signed(table.difference(line)),
                *([f"{theirs[line.label]:g}" if line.label in theirs else ""] if theirs else []),
                *(cost if counted else []),
            ]
        )
    header = ["", *(COLUMNS[name] for name in table.columns), f"{COLUMNS[judged]}, 95%"]
    header += ["difference (95%)", *(["published"] if theirs else [])]
    return markdown([*header, *(["selection, TFLOP", "with tuning"] if counted else [])], body)


def claimed(table: Table) -> str:
    """The table of claims in Markdown; "" without claims."""
    body = []
    for claim in table.claims():
        made = claim.difference
        parts = [line.budget for line in (claim.better, claim.worse) if not line.whole]
        budget = f", {percent(parts[0])}" if parts else ""
        p = "" if math.isnan(claim.p) else f"{claim.p:.3f}" if claim.p >= 0.001 else "< 0.001"
        between = interval(made.low, made.high, "+")
        said = f"{claim.better.label} > {claim.worse.label}{budget}"
        body.append([said, f"{round(made.mean, 1) + 0.0:+.1f}", between, p, claim.verdict])
    header = ["claim", f"difference in {COLUMNS[table.judged]}", "95% interval", "p (Holm)", "verdict"]
    return markdown(header, body) if body else ""


def note(table: Table, folder: Path) -> str:
    """The text below a table in a file of `folder`: interval rule, reference of the differences, tasks left out."""
    said = f"Mean ± sd; 95% interval over seeds and scoring questions ([method]({os.path.relpath(RULE, folder)}))."
    compared = any(table.difference(line) for line in table.lines)
    said += f" Differences are to *{table.first}* at the same budget.\n" if compared else "\n"
    return said + (f"Not scored for every row, left out: {', '.join(table.left_out)}.\n" if table.left_out else "")


def seeds_of(table: Table) -> str:
    """`3 seeds`, or `3 to 5 seeds`; adds a note if results depend on the machine's instruction set."""
    least, most = (of(len(line.measured.seeds) for line in table.lines) for of in (min, max))
    alike = ", results of one CPU type (compute.isa: native)" if table.isa == "native" else ""
    return (f"{least} to {most} seeds" if least < most else f"{most} seed{'s' * (most > 1)}") + alike


def metrics(table: Table) -> dict[str, dict[str, float]]:
    """One metric per row, for `dvc metrics diff`. Keys contain no dot."""
    name = {"corrected_mean": "corrected"}.get(table.judged, table.judged)
    out: dict[str, dict[str, float]] = {}
    for line in table.lines:
        key = slug(line.title)
        while key in out:
            key += "_again"
        out[key] = {name: round(line.mean(table.judged), 1)}
    return out


def random_of(table: Table) -> Arm | None:
    """The random-selection arm, if the table has it at exactly one budget."""
    found = [line.measured for line in table.lines if line.method == "random"]
    return found[0] if len(found) == 1 else None


def draw(path: Path, table: Table) -> None:
    """Plot the ranking metric: against budget if a label has several budgets, else one line per row, best first."""
    judged, parts = table.judged, [line for line in table.lines if not line.whole]
    if len({line.budget for line in parts}) == 1:
        ranked = sorted(table.lines, key=lambda line: (-line.mean(judged), line.title))
        rows = [(line.title, line.measured) for line in ranked]
        return figures.intervals(path, rows, {judged: COLUMNS[judged]}, random_of(table))
    lines: dict[str, list[tuple[float, Estimate]]] = {}
    for line in sorted(parts, key=lambda line: line.budget):
        lines.setdefault(line.label, []).append((100 * line.budget, line.measured.estimate(judged)))
    full = next((line.mean(judged) for line in table.lines if line.whole), None)
    random = next((line.label for line in table.lines if line.method == "random"), None)
    return figures.curves(path, lines, full, COLUMNS[judged], random)


def draw_published(path: Path, table: Table) -> None:
    """Plot our scores against the paper's, for the rows that have both."""
    theirs = table.spec["published"]
    own = [line for line in table.lines if line.label in theirs]
    points = [(line.label, theirs[line.label], line.measured.estimate(table.judged)) for line in own]
    figures.published(path, points, COLUMNS[table.judged])


def write(folder: Path, name: str, table: Table, more: Sequence[str] = ()) -> None:
    """Write NAME.md, NAME.json and, if the table asks for them, NAME.png and NAME_published.png to `folder`. more:
    sections appended to the page."""
    spec = table.spec
    parts = [f"# {spec['title']}\n", spec["about"].strip() + "\n" if spec["about"].strip() else ""]
    parts += [f"{spec['split'].capitalize()} split, {seeds_of(table)}.\n", tabulated(table), note(table, folder)]
    parts.append(claimed(table))
    artifacts.write_json(folder / f"{name}.json", metrics(table))
    if spec["plot"]:
        draw(folder / f"{name}.png", table)
        parts.append(f"![{spec['title']}]({name}.png)\n")
    if len(spec["published"]) >= FEWEST_PUBLISHED:
        draw_published(folder / f"{name}_published.png", table)
        parts.append(f"![published and here]({name}_published.png)\n")
    artifacts.write_text(folder / f"{name}.md", "\n".join(part for part in [*parts, *more] if part))
