"""embed: what encoders see and read in each row: its images, its text, and the meaning of its questions."""

from pathlib import Path

import numpy as np
import torch

from cadc import artifacts, shards
from cadc.features.embeddings import ContrastiveTower, load_sentence_encoder, row_text, sentence_embeddings, tower_embeddings
from cadc.model.embed import embed_rows
from cadc.model.encode import EncodedRows
from cadc.model.load import load_base, load_processor
from cadc.params import Params, load_params
from cadc.stage import run_stage

SHARD_ROWS = 2000


def own_states(params: Params):
    """Without a tower: the model's own final hidden states over image and question tokens."""
    pool, processor, model = artifacts.load_pool(), load_processor(params.model.path), load_base(params.model)
    return lambda which: embed_rows(model, processor, EncodedRows(pool, processor, params.model.max_length), which)


def contrastive(params: Params):
    """A tower's embeddings of images and of questions with their answers."""
    pool, tower = artifacts.load_pool(), ContrastiveTower(params.embed.tower)
    return lambda which: tower_embeddings(tower, pool.slice(int(which[0]), len(which)).to_pylist())


def embedding() -> shards.Task:
    """The embeddings of one stretch of pool rows, as .npy files in a folder."""
    torch.set_num_threads(1)
    params = load_params()
    turns, encoder = artifacts.load_pool()["turns"], load_sentence_encoder(params.embed.sentences)
    views = contrastive(params) if params.embed.tower else own_states(params)

    def shard(index: int, folder: Path) -> None:
        which = np.arange(index * SHARD_ROWS, min((index + 1) * SHARD_ROWS, len(turns)))
        questions = [row_text(row, answers=False) for row in turns.slice(int(which[0]), len(which)).to_pylist()]
        for name, array in {**views(which), "sentence": sentence_embeddings(encoder, questions)}.items():
            artifacts.save_array(folder / f"{name}.npy", array)

    return shard


def main(params: Params) -> int:
    n_rows = artifacts.load_pool().num_rows
    keys = list(range(-(-n_rows // SHARD_ROWS)))
    models = [Path(path) for path in (params.model.path, params.embed.tower) if path and Path(path).is_dir()]
    folders = shards.run(embedding, keys, "embed", [params.model.model_dump(), params.embed.model_dump(), artifacts.POOL, *models], "embed rows")
    artifacts.fresh(artifacts.EMBEDDINGS)
    for name in ("image", "text", "sentence"):
        shards.join(folders, f"{name}.npy", artifacts.EMBEDDINGS / f"{name}.npy", n_rows)
    shards.forget("embed")
    return n_rows


if __name__ == "__main__":
    run_stage("embed", main)
