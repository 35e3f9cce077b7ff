"""curate ARM: one Selection a seed, by the method's own `select`; its `plan` where it goes on choosing in training."""

import numpy as np

from cadc import artifacts
from cadc.compute import console
from cadc.compute.stage import run_stage
from cadc.config.arms import Variant
from cadc.config.budgets import n_selected
from cadc.config.params import Params
from cadc.curation.attribution import attribute, trend
from cadc.curation.ordering import sequenced
from cadc.selectors.loading import choose, load_selector, load_signal, measure

VARIANT = Variant.asked("arms")


def main(params: Params) -> None:
    arm, pool, name = params.arm, artifacts.load_pool(), VARIANT.name
    selector, settings = load_selector(arm.method, arm.select, f"{VARIANT.file}: arms.{name}")
    signal = load_signal(arm, pool)
    best, trends, sequence = np.full(pool.num_rows, -1), np.empty((0, 0)), arm.curate.sequence
    if arm.signal.startswith("capabilities/"):
        best = signal["influence"].argmax(1)
        serves = attribute(signal["influence"], getattr(settings, "delta", 0.0))  # as the method itself has it
        trends = trend(signal["self_influence"], serves)
    elif sequence != "none":
        console.line(f"{name} has no capabilities and keeps its own order; for stages set arms.{name}.signal to one")
        sequence = "none"
    measured = measure(selector, signal, settings)
    folder, goes_on = artifacts.fresh(artifacts.SELECTIONS / name), hasattr(selector, "plan")
    if goes_on:
        plan, cluster = selector.plan(measured, settings)
        artifacts.write_json(folder / "plan.json", plan.model_dump())
        artifacts.save_array(folder / "cluster.npy", cluster)
    n = n_selected(arm.budget, pool.num_rows)
    for seed in arm.seeds:
        selection = choose(selector, measured, n, settings, seed)
        if selection.n_unique != n and not (goes_on and len(selection) == selection.n_unique < n):
            raise RuntimeError(f"{arm.method} chose {selection.n_unique} different rows where the budget is {n}")
        rng = np.random.default_rng([seed, n, 1])
        staged = sequenced(selection, best, trends, sequence, arm.curate.replay, rng)
        artifacts.save_selection(artifacts.selection_path(name, seed), staged)


if __name__ == "__main__":
    run_stage("curate", main, VARIANT)
