"""curate METHOD: one Selection per budget and seed, by the method's own `select`."""

import importlib
import sys

import numpy as np

from cadc import artifacts
from cadc.budgets import n_selected
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
            for name in ("influence", "profile", "capability", "weight", "self_influence")
        }
    signal = Signal(pool.num_rows, np.array(pool["source"].to_pylist()), **arrays)
    artifacts.fresh(artifacts.SELECTIONS / METHOD)
    for run in runs_of(METHOD, params):
        n = n_selected(run.budget, pool.num_rows)
        selection = selector.select(signal, n, params.selector(METHOD), np.random.default_rng([run.seed, n]))
        if selection.n_unique != n:
            raise ValueError(f"{METHOD} chose {selection.n_unique} different rows where the budget is {n}; a selector must return exactly n")
        artifacts.save_selection(artifacts.selection_path(METHOD, run.name), selection)


if __name__ == "__main__":
    run_stage(f"curate@{METHOD}", main)
