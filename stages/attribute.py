"""attribute: the influence of every pool row on every subtask at every snapshot; gradients are made, used and dropped."""

from pathlib import Path

import numpy as np
import torch

from cadc import artifacts, shards
from cadc.gradients.influence import SketchedDirections, row_influence
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_base, load_processor
from cadc.params import Params, load_params
from cadc.stage import run_stage
from cadc.training.snapshots import load_snapshots

ARRAYS = ("influence", "norm", "self_influence", "loss")


def attribution() -> shards.Task:
    """The influence of one stretch of pool rows, as .npy files in a folder."""
    torch.set_num_threads(1)
    params = load_params()
    processor, pool = load_processor(params.model), artifacts.load_pool()
    model = add_lora(load_base(params.model), params.model.lora, seed=0)
    engine = SketchedDirections(model, params.capture, processor.tokenizer.pad_token_id)
    snapshots = load_snapshots(artifacts.PROXY)
    trajectories = artifacts.load_array(artifacts.CAPTURE / "trajectories.npy")

    def shard(index: int, folder: Path) -> None:
        which = np.arange(index * params.capture.shard_rows, min((index + 1) * params.capture.shard_rows, pool.num_rows))
        rows = EncodedRows(pool, processor, params.model.max_length, long_rows=params.model.long_rows)
        for name, array in row_influence(engine, rows, which, snapshots, trajectories).items():
            artifacts.save_array(folder / f"{name}.npy", array)

    return shard


def main(params: Params) -> int:
    n_rows = artifacts.load_pool().num_rows
    keys = list(range(-(-n_rows // params.capture.shard_rows)))
    inputs = [
        params.capture.model_dump(),
        params.model.model_dump(),
        artifacts.POOL,
        artifacts.PROXY,
        artifacts.CAPTURE / "trajectories.npy",
        *params.model.sources,
    ]
    folders = shards.run(attribution, keys, "attribute", inputs, "influence of pool rows")
    artifacts.fresh(artifacts.INFLUENCE)
    for name in (*ARRAYS, *(["sketches"] if params.capture.keep_sketches else [])):
        shards.join(folders, f"{name}.npy", artifacts.INFLUENCE / f"{name}.npy", n_rows, axis=1)
    shards.forget("attribute")
    return n_rows * params.proxy.snapshots


if __name__ == "__main__":
    run_stage("attribute", main)
