"""finetune ARM: one adapter per seed, trained on the selection in its order, or on rows that its plan selects during
training.

A run is identified by its inputs and kept under artifacts/scratch, so a seed added to an arm trains alone.
"""

from pathlib import Path

import torch

from cadc import artifacts
from cadc.compute import shards
from cadc.compute.stage import run_stage
from cadc.config.arms import Variant
from cadc.config.errors import missing
from cadc.config.params import Params, load_params
from cadc.training.tuner import Tuner

VARIANT = Variant.asked("arms")
SELECTION = artifacts.SELECTIONS / VARIANT.name
PLAN, CLUSTER = SELECTION / "plan.json", SELECTION / "cluster.npy"


def tuning() -> shards.Task:
    """A task: the adapter of one seed, written to a folder."""
    torch.set_num_threads(1)
    tuner = Tuner(load_params(VARIANT))

    def tune(seed: int, folder: Path) -> None:
        selection = artifacts.load_selection(artifacts.selection_path(VARIANT.name, seed))
        if PLAN.exists():
            tuner.adaptive(seed, selection, PLAN, folder)
        else:
            tuner.static(seed, selection, folder)

    return tune


def main(params: Params) -> int:
    seeds = params.arm.seeds
    if CLUSTER.exists() and not PLAN.exists():  # the warm-up would count as the whole selection
        raise missing(PLAN)
    common = [params.finetune.model_dump(), params.model.model_dump(), artifacts.POOL, *params.model.sources]
    common = [shards.digest(*common), *([PLAN, CLUSTER, params.arm.budget] if PLAN.exists() else [])]
    inputs = {seed: [*common, seed, artifacts.selection_path(VARIANT.name, seed)] for seed in seeds}
    folders = shards.run_kept(tuning, inputs, "finetune", f"fine-tune {VARIANT.name}", together=True)
    out = artifacts.fresh(artifacts.ADAPTERS / VARIANT.name)
    for seed, folder in folders.items():
        shards.link(folder, out / artifacts.run_name(seed))
    steps = sum(len(artifacts.load_array(out / artifacts.run_name(seed) / "loss.npy")) for seed in seeds)
    return steps * params.finetune.batch_size


if __name__ == "__main__":
    run_stage("finetune", main, VARIANT)
