"""embed: image, text and question embeddings of each row from separate encoders."""

from pathlib import Path

import torch

from cadc import artifacts
from cadc.compute import shards
from cadc.compute.finite import refuse_not_finite
from cadc.compute.stage import run_stage
from cadc.config.params import Params, load_params
from cadc.features.embeddings import load_sentence_encoder, row_encoder, row_text, sentence_embeddings

SHARD_ROWS = 2000


def embedding() -> shards.Task:
    """A task: the embeddings of one stretch of pool rows, as .npy files in a folder."""
    torch.set_num_threads(1)
    params = load_params()
    pool, encoder, views = (
        artifacts.load_pool(),
        load_sentence_encoder(params.embed.sentences),
        row_encoder(params.model, params.embed.tower),
    )

    def shard(index: int, folder: Path) -> None:
        rows = pool.slice(index * SHARD_ROWS, SHARD_ROWS)
        questions = [row_text(row, answers=False) for row in rows["turns"].to_pylist()]
        made = {**views(rows), "sentence": sentence_embeddings(encoder, questions)}
        refuse_not_finite(made, 0, rows["id"], "row id", "check its image and text, or leave it out")
        for name, array in made.items():
            artifacts.save_array(folder / f"{name}.npy", array)

    return shard


def main(params: Params) -> int:
    n_rows = artifacts.load_pool().num_rows
    keys = list(range(-(-n_rows // SHARD_ROWS)))
    models = [Path(path) for path in (params.model.path, params.embed.tower) if path and Path(path).is_dir()]
    folders = shards.run(
        embedding,
        keys,
        "embed",
        [params.model.model_dump(), params.embed.model_dump(), artifacts.POOL, *models],
        "embed rows",
    )
    artifacts.fresh(artifacts.EMBEDDINGS)
    for name in artifacts.load_arrays(folders[0]):
        shards.join(folders, f"{name}.npy", artifacts.EMBEDDINGS / f"{name}.npy", n_rows)
    shards.forget("embed")
    return n_rows


if __name__ == "__main__":
    run_stage("embed", main)
