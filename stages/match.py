"""match: pool rows against the probe rows' own gradients, for LESS, ICONS and TIVE; gradients are made, used and dropped."""

from pathlib import Path

import numpy as np
import torch

from cadc import artifacts, shards
from cadc.gradients.influence import SketchedDirections
from cadc.gradients.matching import row_matching
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_base, load_processor
from cadc.params import Params, load_params
from cadc.stage import run_stage
from cadc.training.snapshots import load_snapshots

BY_SNAPSHOT = ("update_on_mean", "update_on_units", "update_norm", "gradient_on_units", "gradient_norm")
BY_ROW = ("gradient", "kept_norm")
TARGETS = ("gradients", "unit_gradients")


def matching() -> shards.Task:
    """One stretch of pool rows against the targets, as .npy files in a folder."""
    torch.set_num_threads(1)
    params = load_params()
    processor, pool = load_processor(params.model), artifacts.load_pool()
    model = add_lora(load_base(params.model), params.model.lora, seed=0)
    engine = SketchedDirections(model, params.capture, processor.tokenizer.pad_token_id)
    snapshots = load_snapshots(artifacts.PROXY)
    targets = {name: artifacts.load_array(artifacts.CAPTURE / f"{name}.npy") for name in TARGETS}

    def shard(index: int, folder: Path) -> None:
        which = np.arange(index * params.capture.shard_rows, min((index + 1) * params.capture.shard_rows, pool.num_rows))
        rows = EncodedRows(pool, processor, params.model.max_length, long_rows=params.model.long_rows)
        for name, array in row_matching(engine, rows, which, snapshots, targets, params.match).items():
            artifacts.save_array(folder / f"{name}.npy", array)

    return shard


def main(params: Params) -> int:
    n_rows, snapshots = artifacts.load_pool().num_rows, load_snapshots(artifacts.PROXY)
    width = artifacts.load_array(artifacts.CAPTURE / "gradients.npy").shape[2]
    if params.match.keep_snapshot >= len(snapshots):
        raise ValueError(f"match.keep_snapshot is {params.match.keep_snapshot}, and proxy.snapshots {len(snapshots)}: it counts from 0")
    if not params.capture.projection:
        raise ValueError("match needs sketches: with capture.projection: 0 coordinates keep their sign, and folded ones would add up; set a width")
    if width % params.match.keep_width:
        raise ValueError(f"match.keep_width is {params.match.keep_width}, which does not divide the sketch's width {width} (capture.projection)")
    keys = list(range(-(-n_rows // params.capture.shard_rows)))
    inputs = [
        params.capture.model_dump(),
        params.match.model_dump(),
        params.model.model_dump(),
        artifacts.POOL,
        artifacts.PROXY,
        *(artifacts.CAPTURE / f"{name}.npy" for name in TARGETS),
        *params.model.sources,
    ]
    folders = shards.run(matching, keys, "match", inputs, "pool rows against probe gradients")
    out = artifacts.fresh(artifacts.MATCHING)
    for name in BY_SNAPSHOT:
        shards.join(folders, f"{name}.npy", out / f"{name}.npy", n_rows, axis=1)
    for name in BY_ROW:
        shards.join(folders, f"{name}.npy", out / f"{name}.npy", n_rows)
    subtasks = artifacts.read_json(artifacts.CAPTURE / "subtasks.json")
    benchmarks = sorted({entry["target"] for entry in subtasks})
    artifacts.save_array(out / "mean_norm.npy", np.linalg.norm(artifacts.load_array(artifacts.CAPTURE / "gradients.npy"), axis=2))
    artifacts.save_array(out / "benchmark.npy", np.array([benchmarks.index(entry["target"]) for entry in subtasks], np.int32))
    artifacts.save_array(out / "probe_rows.npy", np.array([entry["rows"] for entry in subtasks]))
    artifacts.save_array(out / "rate.npy", np.array([snapshot.lr for snapshot in snapshots]))
    shards.forget("match")
    return n_rows * len(snapshots)


if __name__ == "__main__":
    run_stage("match", main)
