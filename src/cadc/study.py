"""Run a study: many variants of the pipeline, each scored with the same seeds, as tables: `python -m cadc.study studies/cadc.yaml`.

A variant is a method and changed parameters, the same that `dvc exp run -S` takes. Each is one `dvc repro evaluate@METHOD` of the
commit in a clone of its own that shares this repository's cache: only what a change touches is computed, a study that was killed
goes on where it was, and one that was finished is finished again in seconds a variant. As many variants run side by side as
`CADC_WORKERS` says (default: the number of cores), one process each. Titles of tables behind the file's name run these alone.
"""

from __future__ import annotations

import os
import queue
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from pydantic import Field, field_validator

from cadc import artifacts, console
from cadc.evaluation.statistics import mean_over, relative
from cadc.lanes import LANES, Cell, Lane, git
from cadc.params import Params, Section, Seed
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


def changed(params: dict, changes: dict[str, Any]) -> dict:
    """`params` with values at dotted keys replaced, in place. Raises KeyError naming a key that params.yaml lacks."""
    for key, value in changes.items():
        section = params
        *path, last = key.split(".")
        for name in path:
            section = section.get(name, {})
        if last not in section:
            raise KeyError(f"{key}: no such parameter in params.yaml")
        section[last] = value
    return params


def named(method: str, changes: dict[str, Any]) -> str:
    """The cell under which a variant's figures are kept: tables that share it compute it once."""
    return " ".join([method, *(f"{key}={value}" for key, value in sorted(changes.items()))])


def cells_of(tables: list[Question]) -> dict[str, Cell]:
    """Every variant by name, at HEAD. Raises KeyError, ValueError (pydantic's) naming a parameter that is unknown or out of range."""
    commit, text = git("rev-parse", "HEAD").strip(), git("show", "HEAD:params.yaml")
    cells = {}
    for table in tables:
        for variant in table.variants:
            params = yaml.safe_load(text)
            known = params["methods"] | params.pop("baselines")
            if variant.method not in known:
                raise KeyError(f"{variant.label}: {variant.method} is not among the methods and baselines of params.yaml")
            params["methods"] = {variant.method: known[variant.method]}  # a variant is judged alone: no other cell is of account
            Params.model_validate(changed(params, table.changes(variant)) | {"baselines": {}})
            cells[named(variant.method, table.changes(variant))] = Cell(variant.method, params | {"baselines": {}}, commit)
    return cells


@dataclass(frozen=True)
class Row:
    """One row of a table: figures by seed at one budget, and what they cost: operations of selection and of one tuning."""

    variant: Variant
    budget: str
    runs: dict[str, dict[str, float]]
    flops: list[float] | None = None

    def values(self, name: str) -> list[float]:
        return [run[name] for run in self.runs.values()]


def rows_of(table: Question, made: dict[str, dict]) -> list[Row]:
    """The rows made so far, budgets ascending; `full`, if the table has it, is what Rel. % divides by."""
    rows = []
    for variant in table.variants:
        entry = made.get(named(variant.method, table.changes(variant)), {"figures": {}})
        budgets = sorted(entry["figures"].items(), key=lambda item: float(percent(item[0])[:-1]))
        rows += [Row(variant, budget, runs, entry.get("flops", {}).get(budget)) for budget, runs in budgets]
    full = next((mean_over(list(row.runs.values())) for row in rows if row.variant.method == "full"), None)
    if full is None:
        return rows
    return [replace(row, runs={seed: run | {"relative": relative(run, full)} for seed, run in row.runs.items()}) for row in rows]


def difference(row: Row, first: Row, name: str) -> str:
    """Mean difference over the seeds that both have, and twice its standard deviation; unpaired where they share fewer than two."""
    shared = [seed for seed in row.runs if seed in first.runs]
    if len(shared) > 1:
        apart = np.array([row.runs[seed][name] - first.runs[seed][name] for seed in shared])
        return f"{apart.mean():+.1f} ({2 * apart.std(ddof=1):.1f})"
    spread = np.sqrt(np.var(row.values(name), ddof=1) + np.var(first.values(name), ddof=1))
    return f"{np.mean(row.values(name)) - np.mean(first.values(name)):+.1f} ({2 * spread:.1f})"


def tabulated(table: Question, made: dict[str, dict]) -> str:
    """The table in Markdown: mean ± sd over seeds; differences to the first variant at the same budget."""
    rows = rows_of(table, made)
    if not rows:
        return "Not run yet.\n"
    names = [name for name in COLUMNS if all(name in run for row in rows for run in row.runs.values())]
    judged = "relative" if "relative" in names else "corrected_mean"
    counted = all(row.flops for row in rows)
    first = {row.budget: row for row in rows if row.variant == table.variants[0]}
    body = []
    for row in rows:
        said = [f"{np.mean(row.values(name)):.1f} ± {np.std(row.values(name), ddof=1):.1f}" for name in names]
        versus = first.get(row.budget)
        label = row.variant.label if row.variant.method == "full" else f"{row.variant.label}, {percent(row.budget)}"
        cost = [f"{row.flops[0] / 1e12:.1f}", f"{sum(row.flops) / 1e12:.1f}"] if counted else []
        body.append([label, *said, difference(row, versus, judged) if versus and versus is not row else "", *cost])
    header = ["", *(COLUMNS[name] for name in names), f"difference in {COLUMNS[judged]} (2 sd)", *(["selection, TFLOP", "with tuning"] if counted else [])]
    return markdown(header, body)


def write(study: Study, name: str, made: dict[str, dict]) -> None:
    """reports/NAME.json and .md, with every table as far as it is made."""
    artifacts.write_json(REPORTS / f"{name}.json", made)
    parts = [f"# {study.title}\n", study.about.strip() + f"\n\nMade by `python -m cadc.study studies/{name}.yaml`.\n"]
    for table in study.tables:
        about = f"{table.about.strip()} {table.split.capitalize()} split, seeds {', '.join(map(str, table.seeds))}.\n"
        parts += [f"## {table.title}\n", about, tabulated(table, made)]
    (REPORTS / f"{name}.md").write_text("\n".join(parts))


def main(path: Path, only: list[str]) -> None:
    study = Study.model_validate(yaml.safe_load(path.read_text()))
    if missing := set(only) - {table.title for table in study.tables}:
        raise KeyError(f"{path} has no table {', '.join(sorted(missing))}; it has {', '.join(table.title for table in study.tables)}")
    every = cells_of(study.tables)
    todo = cells_of([table for table in study.tables if not only or table.title in only])
    saved = REPORTS / f"{path.stem}.json"
    made = artifacts.read_json(saved) if saved.exists() else {}
    n_lanes = min(int(os.environ.get("CADC_WORKERS") or os.cpu_count()), len(todo))
    lanes: queue.Queue[Lane] = queue.Queue()
    for i in range(n_lanes):
        lanes.put(lane := Lane(LANES / f"{i}"))
    fingerprints = {name: lane.fingerprint(cell) for name, cell in every.items()}
    made = {name: entry for name, entry in made.items() if fingerprints.get(name) == entry["fingerprint"]}

    def attempt(name: str) -> dict:
        lane = lanes.get()
        try:
            return {"fingerprint": fingerprints[name], "figures": lane.figures(todo[name]), "flops": lane.costs(todo[name])}
        finally:
            lanes.put(lane)

    failed = {}
    with ThreadPoolExecutor(n_lanes) as pool:
        waiting = {pool.submit(attempt, name): name for name in todo}
        try:
            for done in as_completed(waiting):
                name = waiting[done]
                if done.exception():
                    failed[name] = done.exception()
                    console.line(f"{name}: FAILED")
                    continue
                made[name] = done.result()
                write(study, path.stem, made)
                runs = [run for runs in made[name]["figures"].values() for run in runs.values()]
                console.line(f"{name}: corrected {np.mean([run['corrected_mean'] for run in runs]):.1f}")
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    if failed:
        raise SystemExit("\n\n".join(f"{name}:\n{error}" for name, error in failed.items()))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2:])
    except (KeyError, ValueError) as error:
        raise SystemExit(f"study: {error.args[0] if error.args else error}") from None
