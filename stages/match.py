"""match NAME: match pool rows with gradients of probe rows, for LESS, ICONS and TIVE. Gradients are not stored, except
one folded snapshot."""

from pathlib import Path

import numpy as np
import torch

from cadc import artifacts
from cadc.compute import shards
from cadc.compute.stage import run_stage
from cadc.config.arms import Variant
from cadc.config.errors import InputError
from cadc.config.params import Params, load_params
from cadc.gradients.load import load_engine
from cadc.gradients.matching import row_matching
from cadc.model.pool_shards import measure_pool, pool_shard
from cadc.training.snapshots import load_snapshots

BY_SNAPSHOT = ("update_on_mean", "update_on_units", "update_norm", "gradient_on_units", "gradient_norm")
BY_ROW = ("gradient", "kept_norm")
VARIANT = Variant.asked("matchings")


def targets_of(params: Params) -> dict[str, Path]:
    """The files with the probe rows' gradients."""
    return {name: artifacts.CAPTURE / params.trajectories / f"{name}.npy" for name in ("gradients", "unit_gradients")}


def matching() -> shards.Task:
    """A task: one stretch of pool rows against the targets, as .npy files in a folder."""
    torch.set_num_threads(1)
    params = load_params(VARIANT)
    engine, snapshots = load_engine(params), load_snapshots(artifacts.proxy_run(params.run))
    targets = {name: artifacts.load_array(path) for name, path in targets_of(params).items()}
    return pool_shard(
        params, lambda rows, which: row_matching(engine, rows, which, snapshots, targets, params.match), BY_ROW
    )


def main(params: Params) -> int:
    snapshots, gradients = (
        load_snapshots(artifacts.proxy_run(params.run)),
        artifacts.load_array(targets_of(params)["gradients"]),
    )
    width = gradients.shape[2]
    if params.match.keep_snapshot >= len(snapshots):
        raise InputError(
            f"match.keep_snapshot is {params.match.keep_snapshot}, but proxy.snapshots is {len(snapshots)}: "
            "snapshots count from 0"
        )
    if not params.capture.projection:
        raise InputError(
            "match needs sketches: with capture.projection: 0 coordinates have no random sign, so folding would "
            "add them up; set a width"
        )
    if width % params.match.keep_width:
        raise InputError(
            f"match.keep_width is {params.match.keep_width}, which does not divide the sketch's width "
            f"{width} (capture.projection)"
        )
    out, inputs = artifacts.MATCHING / VARIANT.name, [params.match.model_dump(), *targets_of(params).values()]
    n_rows = measure_pool(
        matching, f"match_{VARIANT.name}", "pool rows against probe gradients", params, inputs, out, BY_ROW, BY_SNAPSHOT
    )
    subtasks = artifacts.read_json(artifacts.CAPTURE / params.trajectories / "subtasks.json")
    benchmarks = sorted({entry["target"] for entry in subtasks})
    artifacts.save_array(out / "mean_norm.npy", np.linalg.norm(gradients, axis=2))
    artifacts.save_array(
        out / "benchmark.npy", np.array([benchmarks.index(entry["target"]) for entry in subtasks], np.int32)
    )
    artifacts.save_array(out / "probe_rows.npy", np.array([entry["rows"] for entry in subtasks]))
    artifacts.save_array(out / "rate.npy", np.array([snapshot.lr for snapshot in snapshots]))
    shards.forget(f"match_{VARIANT.name}")
    return n_rows * len(snapshots)


if __name__ == "__main__":
    run_stage("match", main, VARIANT)
