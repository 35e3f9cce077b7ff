"""capabilities: which labels the partitions of `cadc` and `influence_coverage` agree with, over all targets and within
one question form, and whether gradients are specific to a subtask (testbed/dvc.yaml)."""

import numpy as np

from cadc import artifacts
from cadc.capabilities.attribution import snapshot_weights
from cadc.capabilities.halves import SPLITS, found_halves
from cadc.capabilities.labels import FORM, agreements
from cadc.capabilities.stability import consensus, load_captured, most_stable
from cadc.compute.stage import run_stage
from cadc.config.arms import Variant
from cadc.config.params import Discover, Params, load_params, n_proxy_runs
from cadc.report import existence

DISCOVERIES = ("cadc", "influence_coverage")
APART = ("open", "yes/no", "choice")


def discovery(name: str) -> Discover:
    variant = load_params(Variant("discoveries", name))
    return variant.discover


def main(params: Params) -> None:
    folder = artifacts.CAPTURE / params.trajectories
    known = [one["target"] for one in artifacts.read_json(folder / "subtasks.json")]
    sets = {"all": sorted(set(known))} | {FORM[target]: [target] for target in known if FORM.get(target) in APART}
    rates = np.array([one["lr"] for one in artifacts.read_json(artifacts.proxy_run(params.run) / "snapshots.json")])
    discoveries = {name: discovery(name) for name in DISCOVERIES}
    n_runs = n_proxy_runs(Variant("captures", params.trajectories), params.run)
    n_draws = max(discover.bootstrap for discover in discoveries.values())  # the same for both, to compare agreement
    made = {name: {} for name in DISCOVERIES}
    for targets in ("all", *(form for form in APART if form in sets)):
        captured = load_captured(folder, sets[targets], n_runs)
        for name, discover in discoveries.items():
            weights = snapshot_weights(rates, discover.snapshot_weights)
            grams = captured.row_grams[: discover.runs]
            chosen = most_stable(consensus(grams, captured.subtask, weights, discover))
            drawn = {"bootstrap": n_draws, "tau": [chosen.tau], "resolutions": [chosen.resolution]}
            again = consensus(captured.row_grams, captured.subtask, weights, discover.model_copy(update=drawn))[0]
            made[name][targets] = {
                "own": set(sets[targets]) == set(discover.targets),
                "subtasks": len(captured.subtasks),
                "capabilities": chosen.n_capabilities,
                "agreement": again.agreement,
                "labels": agreements(captured.subtasks, chosen.partition),
                "halves": found_halves(grams, captured.subtask, weights, discover.center),
            }
    existence.write(made, SPLITS)


if __name__ == "__main__":
    run_stage("capabilities", main)
