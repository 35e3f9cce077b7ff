"""features: what the proxy makes of every row in forward passes: activations, hidden states, losses and margins."""

from pathlib import Path

import numpy as np
import torch

from cadc import artifacts, shards
from cadc.features.forward import row_features
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_base, load_processor
from cadc.params import Params, load_params
from cadc.stage import run_stage
from cadc.training.snapshots import load_snapshots

BY_ROW, BY_SNAPSHOT = ("activations", "hidden"), ("nll", "el2n", "margin")


def observation() -> shards.Task:
    """The features of one stretch of pool rows, as .npy files in a folder."""
    torch.set_num_threads(1)
    params = load_params()
    pool, processor, base = artifacts.load_pool(), load_processor(params.model), load_base(params.model)
    image_token = base.config.image_token_id
    model, snapshots = add_lora(base, params.model.lora, seed=0), load_snapshots(artifacts.PROXY)

    def shard(index: int, folder: Path) -> None:
        which = np.arange(index * params.capture.shard_rows, min((index + 1) * params.capture.shard_rows, pool.num_rows))
        rows = EncodedRows(pool, processor, params.model.max_length, long_rows=params.model.long_rows)
        made = row_features(model, rows, which, snapshots, image_token, params.features.layers, params.capture.batch_tokens)
        for name, array in made.items():
            artifacts.save_array(folder / f"{name}.npy", array)

    return shard


def main(params: Params) -> int:
    n_rows = artifacts.load_pool().num_rows
    keys = list(range(-(-n_rows // params.capture.shard_rows)))
    inputs = [params.features.model_dump(), params.capture.model_dump(), params.model.model_dump(), artifacts.POOL, artifacts.PROXY, *params.model.sources]
    folders = shards.run(observation, keys, "features", inputs, "features of pool rows")
    out = artifacts.fresh(artifacts.FEATURES)
    for name in BY_ROW:
        shards.join(folders, f"{name}.npy", out / f"{name}.npy", n_rows)
    for name in BY_SNAPSHOT:
        shards.join(folders, f"{name}.npy", out / f"{name}.npy", n_rows, axis=1)
    shards.forget("features")
    return n_rows * params.proxy.snapshots


if __name__ == "__main__":
    run_stage("features", main)
