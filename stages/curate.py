"""curate METHOD: one Selection per budget and seed, by the method's own `select`."""

import importlib
import sys

import numpy as np

from cadc import artifacts, console
from cadc.budgets import n_selected
from cadc.curation.attribution import attribute, trend
from cadc.curation.ordering import sequenced
from cadc.params import Params
from cadc.runs import runs_of
from cadc.selectors.signal import Signal
from cadc.stage import run_stage

METHOD = sys.argv[1]


def main(params: Params) -> None:
    selector = importlib.import_module(f"cadc.selectors.{METHOD}")
    pool = artifacts.load_pool()
    arrays = {}
    if params.methods[METHOD].signal == "capabilities":
        arrays = {
            name: np.asarray(artifacts.load_array(artifacts.CAPABILITIES / f"{name}.npy"))
            for name in ("influence", "affinity", "purity", "capability", "weight", "self_influence")
        }
    signal = Signal(pool.num_rows, np.array(pool["source"].to_pylist()), **arrays)
    best, trends = np.full(pool.num_rows, -1), np.empty((0, 0))
    if arrays:
        best, trends = signal.influence.argmax(1), trend(signal.self_influence, attribute(signal.influence, 0.0))
    elif params.curate.sequence != "none":
        console.line(f"{METHOD} has no capabilities and keeps its own order; for stages also set methods.{METHOD}.signal=capabilities")
    artifacts.fresh(artifacts.SELECTIONS / METHOD)
    for run in runs_of(METHOD, params):
        n = n_selected(run.budget, pool.num_rows)
        selection = selector.select(signal, n, params.selector(METHOD), np.random.default_rng([run.seed, n]))
        if selection.n_unique != n:
            raise ValueError(f"{METHOD} chose {selection.n_unique} different rows where the budget is {n}; a selector must return exactly n")
        rng = np.random.default_rng([run.seed, n, 1])
        staged = sequenced(selection, best, trends, params.curate.sequence if arrays else "none", params.curate.replay, rng)
        artifacts.save_selection(artifacts.selection_path(METHOD, run.name), staged)


if __name__ == "__main__":
    run_stage(f"curate@{METHOD}", main)
