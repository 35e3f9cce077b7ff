"""Run a study: many variants of the pipeline, each scored with the same seeds, as tables: `python -m cadc.study studies/cadc.yaml`.

A variant is a method and changed parameters, the same that `dvc exp run -S` takes. Each is one `dvc repro evaluate@METHOD` of the
committed code in a clone of its own that shares this repository's cache: only what a change touches is computed, a study that
was killed goes on where it was, and one that was finished is finished again in seconds a variant. As many variants run side by
side as `CADC_WORKERS` says (default: the number of cores), one process each.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml
from pydantic import Field

from cadc import artifacts, console
from cadc.evaluation.statistics import Samples, mean_over, measure, relative
from cadc.params import Section, Seed, load_params
from cadc.report.leaderboard import REPORTS, markdown

LANES = Path(".study")
Figures = dict[str, dict[str, dict[str, float]]]  # budget -> seed -> figure
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


class Lane:
    """A clone in which one variant after the other is made."""

    def __init__(self, folder: Path):
        self.folder = folder
        if not (folder / ".git").is_dir():
            self._run(["git", "clone", "-q", ".", str(folder)], Path())
            (folder / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {Path('.dvc/cache').resolve()}\n")
        self._run(["git", "fetch", "-q"], folder)
        self._run(["git", "reset", "-q", "--hard", "origin/HEAD"], folder)

    def _run(self, command: list[str], at: Path) -> None:
        env = os.environ | {"PYTHONPATH": str((self.folder / "src").resolve()), "CADC_WORKERS": "1"}
        done = subprocess.run(command, cwd=at, env=env, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} in {at}:\n{(done.stdout + done.stderr)[-3000:]}")

    def figures(self, method: str, changes: dict[str, Any]) -> Figures:
        """Every figure of one variant: budget -> seed -> figure, in percent; with `capabilities` where the method has some."""
        params = changed(yaml.safe_load(Path("params.yaml").read_text()), changes)
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        self._run(["dvc", "repro", "-q", f"evaluate@{method}"], self.folder)
        root = self.folder / "artifacts"
        table = pq.read_table(root / artifacts.RESULTS.relative_to(artifacts.ROOT) / method / "samples.parquet")
        out: Figures = {}
        for budget, seed in sorted(set(zip(table["budget"].to_pylist(), table["seed"].to_pylist(), strict=True))):
            mask = pc.and_(pc.equal(table["budget"], budget), pc.equal(table["seed"], seed))
            out.setdefault(budget, {})[f"s{seed}"] = measure(Samples.of_table(table.filter(mask)))
        return out


def named(method: str, changes: dict[str, Any]) -> str:
    """The cell under which a variant's figures are kept: tables that share it compute it once."""
    return " ".join([method, *(f"{key}={value}" for key, value in sorted(changes.items()))])


def rows_of(table: Question, made: dict[str, Figures]) -> list[tuple[str, dict[str, list[float]]]]:
    """Label and figures over seeds of every variant made so far; `full`, if the table has it, is what Rel. % divides by."""
    cells = []
    for variant in table.variants:
        budgets = made.get(named(variant.method, table.changes(variant)), {})
        for budget, runs in sorted(budgets.items()):
            label = variant.label if len(budgets) == 1 else f"{variant.label} {int(budget[1 : 3 + (budget == 'b100')])}%"
            cells.append((variant, label, list(runs.values())))
    full = next((mean_over(runs) for variant, _, runs in cells if variant.method == "full"), None)
    out = []
    for _, label, runs in cells:
        every = [run | ({"relative": relative(run, full)} if full else {}) for run in runs]
        out.append((label, {name: [run[name] for run in every] for name in every[0]}))
    return out


def tabulated(table: Question, made: dict[str, Figures]) -> str:
    """The table in Markdown: mean ± sd over seeds, and the difference to the first row beside twice its sd."""
    rows = rows_of(table, made)
    if not rows:
        return "Not run yet.\n"
    names = [name for name in COLUMNS if all(name in figures for _, figures in rows)]
    judged = "relative" if "relative" in names else "corrected_mean"

    def said(values: list[float]) -> str:
        return f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"

    def difference(values: list[float], first: list[float]) -> str:
        spread = 2 * np.sqrt(np.var(values, ddof=1) + np.var(first, ddof=1))
        return f"{np.mean(values) - np.mean(first):+.1f} ({spread:.1f})"

    body = [
        [label, *(said(figures[name]) for name in names), difference(figures[judged], rows[0][1][judged]) if i else ""]
        for i, (label, figures) in enumerate(rows)
    ]
    return markdown(["", *(COLUMNS[name] for name in names), f"difference in {COLUMNS[judged]} (2 sd)"], body)


def write(study: Study, name: str, made: dict[str, Figures]) -> None:
    """reports/NAME.json and .md, with every table as far as it is made."""
    artifacts.write_json(REPORTS / f"{name}.json", made)
    parts = [f"# {study.title}\n", study.about.strip() + f"\n\nMade by `python -m cadc.study studies/{name}.yaml`.\n"]
    for table in study.tables:
        parts += [
            f"## {table.title}\n",
            table.about.strip() + f" {table.split.capitalize()} split, seeds {', '.join(map(str, table.seeds))}.\n",
            tabulated(table, made),
        ]
    (REPORTS / f"{name}.md").write_text("\n".join(parts))


def main(path: Path, only: list[str]) -> None:
    study = Study.model_validate(yaml.safe_load(path.read_text()))
    tables = [table for table in study.tables if not only or table.title in only]
    cells = {named(v.method, t.changes(v)): (v.method, t.changes(v)) for t in tables for v in t.variants}
    for _, changes in cells.values():
        changed(yaml.safe_load(Path("params.yaml").read_text()), changes)  # a typo is said before anything runs
    saved = REPORTS / f"{path.stem}.json"
    every = {named(v.method, t.changes(v)) for t in study.tables for v in t.variants}
    made = {cell: figures for cell, figures in (artifacts.read_json(saved) if saved.exists() else {}).items() if cell in every}
    n_lanes = min(int(os.environ.get("CADC_WORKERS") or os.cpu_count()), len(cells))
    lanes: queue.Queue[Lane] = queue.Queue()
    for i in range(n_lanes):
        lanes.put(Lane(LANES / f"{i}"))

    def attempt(cell: str) -> Figures:
        lane = lanes.get()
        try:
            return lane.figures(*cells[cell])
        finally:
            lanes.put(lane)

    with ThreadPoolExecutor(n_lanes) as pool:
        waiting = {pool.submit(attempt, cell): cell for cell in cells}
        for done in as_completed(waiting):
            made[waiting[done]] = done.result()
            write(study, path.stem, made)
            figures = [run for runs in done.result().values() for run in runs.values()]
            console.line(f"{waiting[done]}: corrected {np.mean([run['corrected_mean'] for run in figures]):.1f}")


if __name__ == "__main__":
    load_params()
    main(Path(sys.argv[1]), sys.argv[2:])
