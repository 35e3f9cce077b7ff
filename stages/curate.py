"""curate METHOD: one Selection per budget and seed, by the method's own `select`; its `plan` where it goes on choosing in training."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from cadc import artifacts
from cadc.compute import console, shards
from cadc.compute.stage import run_stage
from cadc.config.budgets import n_selected
from cadc.config.params import Params
from cadc.config.runs import runs_of
from cadc.curation.attribution import attribute, trend
from cadc.curation.ordering import sequenced
from cadc.selectors.signal import Signal

METHOD = sys.argv[1]
SCHEDULE = [
    Path("src/cadc") / name
    for name in ("endpoint.py", *(f"training/{part}.py" for part in ("adaptive", "answers", "buying", "checkpoint")))
]


def answer_words(pool: pa.Table) -> np.ndarray:
    """Words in each row's answers, all turns together: int64 [n_rows]."""
    return np.array(
        [
            sum(len(turn["text"].split()) for turn in turns if turn["role"] == "assistant")
            for turns in pool["turns"].to_pylist()
        ]
    )


def main(params: Params) -> None:
    selector = importlib.import_module(f"cadc.selectors.{METHOD}")
    pool, has_capabilities = artifacts.load_pool(), params.methods[METHOD].signal == "capabilities"
    arrays = artifacts.load_arrays(artifacts.ROOT / params.methods[METHOD].signal)
    arrays["words"] = lambda: answer_words(
        pool
    )  # not before it is asked for: a method that buys answers reads none here
    signal = Signal(pool.num_rows, np.array(pool["source"].to_pylist()), arrays)
    best, trends = np.full(pool.num_rows, -1), np.empty((0, 0))
    if has_capabilities:
        best, trends = (
            signal["influence"].argmax(1),
            trend(signal["self_influence"], attribute(signal["influence"], 0.0)),
        )
    elif params.curate.sequence != "none":
        console.line(
            f"{METHOD} has no capabilities and keeps its own order; for stages also set methods.{METHOD}.signal=capabilities"
        )
    settings = params.selector(METHOD)
    measured = selector.measure(signal, settings) if hasattr(selector, "measure") else signal
    folder, goes_on = artifacts.fresh(artifacts.SELECTIONS / METHOD), hasattr(selector, "plan")
    if goes_on:
        plan, cluster = selector.plan(measured, settings)
        # DVC gives all methods' fine-tunings the same dependencies: the schedule's code is told to those that follow it by their plan.
        artifacts.write_json(folder / "plan.json", {"settings": plan.model_dump(), "code": shards.digest(*SCHEDULE)})
        artifacts.save_array(folder / "cluster.npy", cluster)
    for run in runs_of(METHOD, params):
        n = n_selected(run.budget, pool.num_rows)
        selection = selector.select(measured, n, settings, np.random.default_rng([run.seed, n]))
        if selection.n_unique != n and not (goes_on and len(selection) == selection.n_unique < n):
            raise ValueError(
                f"{METHOD} chose {selection.n_unique} different rows where the budget is {n}; a selector must return exactly n"
            )
        rng = np.random.default_rng([run.seed, n, 1])
        staged = sequenced(
            selection, best, trends, params.curate.sequence if has_capabilities else "none", params.curate.replay, rng
        )
        artifacts.save_selection(artifacts.selection_path(METHOD, run.name), staged)


if __name__ == "__main__":
    run_stage(f"curate@{METHOD}", main)
