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


def shard(index: int, folder: Path) -> None:
    """Influence of one stretch of pool rows, as .npy files in `folder`."""
    torch.set_num_threads(1)
    params = load_params()
    processor = load_processor(params.model.path)
    model = add_lora(load_base(params.model), params.model.lora, seed=0)
    engine = SketchedDirections(model, params.capture, processor.tokenizer.pad_token_id)
    pool = artifacts.load_pool()
    which = np.arange(index * params.capture.shard_rows, min((index + 1) * params.capture.shard_rows, pool.num_rows))
    rows = EncodedRows(pool, processor, params.model.max_length)
    trajectories = artifacts.load_array(artifacts.CAPTURE / "trajectories.npy")
    for name, array in row_influence(engine, rows, which, load_snapshots(artifacts.PROXY), trajectories).items():
        artifacts.save_array(folder / f"{name}.npy", array)


def main(params: Params) -> None:
    n_rows = artifacts.load_pool().num_rows
    keys = list(range(-(-n_rows // params.capture.shard_rows)))
    inputs = [params.capture.model_dump(), params.model.model_dump(), artifacts.POOL, artifacts.PROXY, artifacts.CAPTURE, Path(params.model.path)]
    folders = shards.run(shard, keys, "attribute", inputs, "influence of pool rows")
    artifacts.fresh(artifacts.INFLUENCE)
    for name in ARRAYS:
        parts = [artifacts.load_array(folders[key] / f"{name}.npy") for key in keys]
        shape = (parts[0].shape[0], n_rows, *parts[0].shape[2:])
        out = np.lib.format.open_memmap(artifacts.INFLUENCE / f"{name}.npy", "w+", np.float32, shape)
        start = 0
        for part in parts:
            out[:, start : start + part.shape[1]] = part
            start += part.shape[1]
        out.flush()
    shards.forget("attribute")


if __name__ == "__main__":
    run_stage("attribute", main)
