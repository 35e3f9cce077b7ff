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


def embedding() -> shards.Task:
    """The embeddings of one stretch of pool rows, as .npy files in a folder."""
    torch.set_num_threads(1)
    params = load_params()
    pool, processor, model = artifacts.load_pool(), load_processor(params.model.path), load_base(params.model)

    def shard(index: int, folder: Path) -> None:
        which = np.arange(index * SHARD_ROWS, min((index + 1) * SHARD_ROWS, pool.num_rows))
        rows = EncodedRows(pool, processor, params.model.max_length)
        for name, array in embed_rows(model, processor, rows, which).items():
            artifacts.save_array(folder / f"{name}.npy", array)

    return shard


def main(params: Params) -> int:
    n_rows = artifacts.load_pool().num_rows
    keys = list(range(-(-n_rows // SHARD_ROWS)))
    folders = shards.run(embedding, keys, "embed", [params.model.model_dump(), artifacts.POOL, Path(params.model.path)], "embed rows")
    artifacts.fresh(artifacts.EMBEDDINGS)
    for name in ("image", "text"):
        shards.join(folders, f"{name}.npy", artifacts.EMBEDDINGS / f"{name}.npy", n_rows)
    shards.forget("embed")
    return n_rows


if __name__ == "__main__":
    run_stage("embed", main)
