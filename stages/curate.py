"""curate ARM: one Selection per seed from the method's `select`, and its `plan` if it selects during training."""

from dataclasses import replace

import numpy as np

from cadc import artifacts
from cadc.compute.stage import run_stage
from cadc.config.arms import Arm, Variant
from cadc.config.budgets import n_selected
from cadc.config.errors import InputError
from cadc.config.params import Params
from cadc.curation.attribution import attribute, trend
from cadc.curation.ordering import sequenced
from cadc.curation.picking import purest
from cadc.selectors.loading import choose, load_selector, load_signal, measure

VARIANT = Variant.asked("arms")


def refuse_curation(arm: Arm, source: str) -> None:
    """Raise InputError if capabilities would change what a method selects that goes on during training: they would
    apply to its first rows alone, and rows that are replayed among these would count towards its budget."""
    if arm.curate.keep < 1:
        raise InputError(f"{source}.curate.keep: {arm.method} selects from all rows during training; set it to 1.0")
    if arm.curate.sequence != "none":
        raise InputError(f"{source}.curate.sequence: {arm.method} sets the order during training; set it to none")


def allowed(arm: Arm, arrays: dict[str, np.ndarray], n: int, source: str) -> np.ndarray:
    """The rows that `curate.keep` leaves for the method: int64, ascending. Raises InputError if there are fewer than
    `n`."""
    rows = purest(arrays["affinity"], arrays["purity"], arm.curate.keep)
    if len(rows) < n:
        raise InputError(f"{source}.curate.keep = {arm.curate.keep:g} leaves {len(rows)} rows, but the budget is {n}")
    return rows


def main(params: Params) -> None:
    arm, pool, name = params.arm, artifacts.load_pool(), VARIANT.name
    source = f"{VARIANT.file}: arms.{name}"
    selector, settings = load_selector(arm.method, arm.select, source)
    signal, sequence, goes_on = load_signal(arm, pool), arm.curate.sequence, hasattr(selector, "plan")
    n, rows = n_selected(arm.budget, pool.num_rows), np.arange(pool.num_rows)
    if goes_on:
        refuse_curation(arm, source)
    best, trends = np.full(pool.num_rows, -1), np.empty((0, 0))
    if arm.curate.by != "pool":
        arrays = artifacts.load_arrays(artifacts.ROOT / arm.curate.by)
        best = arrays["influence"].argmax(1)
        # the method's own delta, if it has one
        serves = attribute(arrays["influence"], getattr(settings, "delta", 0.0))
        trends = trend(arrays["self_influence"], serves)
        if arm.curate.keep < 1:
            rows = allowed(arm, arrays, n, source)
            signal = signal.of_rows(rows)
    measured = measure(selector, signal, settings)
    folder = artifacts.fresh(artifacts.SELECTIONS / name)
    if goes_on:
        plan, cluster = selector.plan(measured, settings)
        artifacts.write_json(folder / "plan.json", plan.model_dump())
        artifacts.save_array(folder / "cluster.npy", cluster)
    for seed in arm.seeds:
        chosen = choose(selector, measured, n, settings, seed)
        selection = replace(chosen, row=rows[chosen.row])
        if arm.curate.by != arm.signal and sequence != "none":  # the method's own capabilities differ
            selection = replace(selection, capability=np.full(len(selection), -1, np.int32))
        if selection.n_unique != n and not (goes_on and len(selection) == selection.n_unique < n):
            raise RuntimeError(f"{arm.method} selected {selection.n_unique} distinct rows, but the budget is {n}")
        rng = np.random.default_rng([seed, n, 1])
        staged = sequenced(selection, best, trends, sequence, arm.curate.replay, rng)
        artifacts.save_selection(artifacts.selection_path(name, seed), staged)


if __name__ == "__main__":
    run_stage("curate", main, VARIANT)
