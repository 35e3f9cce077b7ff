"""embed: what the base sees and reads in each row, without its answer: image and text embeddings."""

from pathlib import Path

import numpy as np
import torch

from cadc import artifacts, shards
from cadc.model.embed import embed_rows
from cadc.model.encode import EncodedRows
from cadc.model.load import load_base, load_processor
from cadc.params import Params, load_params
from cadc.stage import run_stage

SHARD_ROWS = 2000


def shard(index: int, folder: Path) -> None:
    """Embeddings of one stretch of pool rows, as .npy files in `folder`."""
    torch.set_num_threads(1)
    params = load_params()
    pool, processor = artifacts.load_pool(), load_processor(params.model.path)
    which = np.arange(index * SHARD_ROWS, min((index + 1) * SHARD_ROWS, pool.num_rows))
    rows = EncodedRows(pool, processor, params.model.max_length)
    for name, array in embed_rows(load_base(params.model), processor, rows, which).items():
        artifacts.save_array(folder / f"{name}.npy", array)


def main(params: Params) -> None:
    keys = list(range(-(-artifacts.load_pool().num_rows // SHARD_ROWS)))
    folders = shards.run(shard, keys, "embed", [params.model.model_dump(), artifacts.POOL, Path(params.model.path)], "embed rows")
    artifacts.fresh(artifacts.EMBEDDINGS)
    for name in ("image", "text"):
        artifacts.save_array(artifacts.EMBEDDINGS / f"{name}.npy", np.concatenate([artifacts.load_array(folders[key] / f"{name}.npy") for key in keys]))
    shards.forget("embed")


if __name__ == "__main__":
    run_stage("embed", main)
