"""embed: what the base sees and reads in each row, without its answer: image and text embeddings."""

import numpy as np
import torch

from cadc import artifacts, console
from cadc.model.embed import embed_rows
from cadc.model.encode import EncodedRows
from cadc.model.load import load_base, load_processor
from cadc.params import Params
from cadc.stage import run_stage


def main(params: Params) -> None:
    torch.set_num_threads(1)
    pool, processor, model = artifacts.load_pool(), load_processor(params.model.path), load_base(params.model)
    rows = EncodedRows(pool, processor, params.model.max_length, keep=False)
    batches = [np.arange(start, min(start + 128, len(rows))) for start in range(0, len(rows), 128)]
    made = [embed_rows(model, processor, rows, batch) for batch in console.track(batches, "embed rows")]
    artifacts.fresh(artifacts.EMBEDDINGS)
    artifacts.save_array(artifacts.EMBEDDINGS / "image.npy", np.concatenate([image for image, _ in made]))
    artifacts.save_array(artifacts.EMBEDDINGS / "text.npy", np.concatenate([text for _, text in made]))


if __name__ == "__main__":
    run_stage("embed", main)
