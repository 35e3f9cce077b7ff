"""Run a study: many variants of the pipeline, each scored with the same seeds, as tables: `python -m cadc.study studies/cadc.yaml`.

A variant is a method and changed parameters, the same that `dvc exp run -S` takes. Each is one `dvc repro evaluate@METHOD` of the
commit in a clone of its own that shares this repository's cache: only what a change touches is computed, a study that was killed
goes on where it was, and one that was finished is finished again in seconds a variant. As many variants run side by side as
`CADC_WORKERS` says (default: one a GPU, or one a core), one process each. Titles of tables behind the file's name, or one row's as
TITLE/LABEL, run these alone; `--mark` runs nothing, and marks what was made with other code or parameters than those of the commit.
"""

from __future__ import annotations

import queue
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: F401 - where it is imported, GPUs are counted
import yaml

from cadc import artifacts
from cadc.compute import console
from cadc.compute.launch import n_workers
from cadc.config.params import Params
from cadc.lanes import LANES, Cell, Lane, git
from cadc.report.leaderboard import REPORTS
from cadc.report.tables import Question, Study, named, write


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


def cells_of(tables: list[Question]) -> dict[str, Cell]:
    """Every variant by name, at HEAD. Raises KeyError, ValueError (pydantic's) naming a parameter that is unknown or out of range."""
    commit, text = git("rev-parse", "HEAD").strip(), git("show", "HEAD:params.yaml")
    cells = {}
    for table in tables:
        for variant in table.variants:
            params = yaml.safe_load(text)
            known = params["methods"] | params.pop("baselines")
            if variant.method not in known:
                raise KeyError(
                    f"{variant.label}: {variant.method} is not among the methods and baselines of params.yaml"
                )
            params["methods"] = {
                variant.method: known[variant.method]
            }  # a variant is judged alone: no other cell is of account
            Params.model_validate(changed(params, table.changes(variant)) | {"baselines": {}})
            cells[named(variant.method, table.changes(variant))] = Cell(
                variant.method, params | {"baselines": {}}, commit
            )
    return cells


def asked(tables: list[Question], only: list[str]) -> list[Question]:
    """The tables whose titles are in `only`, of others the rows whose TITLE/LABEL is; all if it is empty. Raises KeyError naming what is neither."""
    if unknown := set(only) - {
        name
        for table in tables
        for name in (table.title, *(f"{table.title}/{variant.label}" for variant in table.variants))
    }:
        raise KeyError(
            f"no table or row of one is called {', '.join(sorted(unknown))}; there are {', '.join(table.title for table in tables)}"
        )
    wanted = [
        (
            table,
            [
                variant
                for variant in table.variants
                if not only or table.title in only or f"{table.title}/{variant.label}" in only
            ],
        )
        for table in tables
    ]
    return [table.model_copy(update={"variants": variants}) for table, variants in wanted if variants]


def marked(entry: dict, fingerprint: str) -> dict:
    """An entry that was made with other code or parameters stays until it is made again, but says so: `stale`."""
    return {name: value for name, value in entry.items() if name != "stale"} | (
        {} if entry["fingerprint"] == fingerprint else {"stale": True}
    )


def main(path: Path, only: list[str], mark: bool = False) -> None:
    """Make the tables of a study, or what alone `only` names (`asked`); with `mark` nothing, and mark what stands there."""
    study = Study.model_validate(yaml.safe_load(path.read_text()))
    todo, every = cells_of(asked(study.tables, only)), cells_of(study.tables)
    saved = REPORTS / f"{path.stem}.json"
    made = artifacts.read_json(saved) if saved.exists() else {}
    n_lanes = 1 if mark else min(n_workers(), len(todo))
    lanes: queue.Queue[Lane] = queue.Queue()
    for i in range(n_lanes):
        lanes.put(lane := Lane(LANES / f"{i}"))
    fingerprints = {name: lane.fingerprint(cell) for name, cell in every.items()}
    made = {name: marked(entry, fingerprints[name]) for name, entry in made.items() if name in fingerprints}

    if mark:
        write(study, path.stem, made)
        console.line(
            f"{path}: {sum('stale' in entry for entry in made.values())} of {len(made)} variants were made with earlier code or parameters"
        )
        return

    def attempt(name: str) -> dict:
        lane = lanes.get()
        try:
            return {
                "fingerprint": fingerprints[name],
                "figures": lane.figures(todo[name]),
                "flops": lane.costs(todo[name]),
            }
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
        main(Path(sys.argv[1]), [title for title in sys.argv[2:] if title != "--mark"], "--mark" in sys.argv[2:])
    except (KeyError, ValueError) as error:
        raise SystemExit(f"study: {error.args[0] if error.args else error}") from None
