"""attribute NAME: the influence of every pool row on every subtask at every snapshot. Gradients are not stored."""

import torch

from cadc import artifacts
from cadc.compute import shards
from cadc.compute.stage import run_stage
from cadc.config.arms import Variant
from cadc.config.params import Params, load_params
from cadc.gradients.influence import row_influence
from cadc.gradients.load import load_engine
from cadc.model.pool_shards import measure_pool, pool_shard
from cadc.training.snapshots import load_snapshots

ARRAYS = ("influence", "norm", "self_influence", "loss")
VARIANT = Variant.asked("captures")
TRAJECTORIES = artifacts.CAPTURE / VARIANT.name / "trajectories.npy"


def attribution() -> shards.Task:
    """A task: the influence of one stretch of pool rows, as .npy files in a folder."""
    torch.set_num_threads(1)
    params = load_params(VARIANT)
    engine, snapshots = load_engine(params), load_snapshots(artifacts.proxy_run(params.run))
    trajectories = artifacts.load_array(TRAJECTORIES)
    return pool_shard(params, lambda rows, which: row_influence(engine, rows, which, snapshots, trajectories))


def main(params: Params) -> int:
    arrays = (*ARRAYS, *(["sketches"] if params.capture.keep_sketches else []))
    stage, out = f"attribute_{VARIANT.name}", artifacts.INFLUENCE / VARIANT.name
    n_rows = measure_pool(attribution, stage, "influence of pool rows", params, [TRAJECTORIES], out, by_snapshot=arrays)
    shards.forget(stage)
    return n_rows * len(load_snapshots(artifacts.proxy_run(params.run)))


if __name__ == "__main__":
    run_stage("attribute", main, VARIANT)
