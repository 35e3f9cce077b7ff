"""align (frozen): train the connector of the profile smollm2-135m on the pool's images (`make smollm2`).

LLaVA's first stage trains on captions. Your own pool has none, so the connector trains on its rows as they are. Probe
and scoring rows are not used. alignment.json reports the loss of held-out answers before training, after training, and
after training with blank images. A killed run resumes from its last checkpoint.
"""

import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from cadc import artifacts
from cadc.compute import console, shards
from cadc.compute.stage import run_stage
from cadc.config.errors import InputError
from cadc.config.params import Params
from cadc.model.encode import EncodedRows
from cadc.model.load import load_base, load_processor, trainable, unfrozen
from cadc.model.smollm2 import build
from cadc.training.alignment import CONNECTOR, answer_loss_of, split_by_picture
from cadc.training.checkpoint import Checkpoint
from cadc.training.finetune import finetune

OUT = Path("models/smollm2-135m")


def main(params: Params) -> int:
    torch.set_num_threads(1)
    if Path(params.model.path) != OUT:
        raise InputError(
            f"model.path is {params.model.path!r}, but this stage makes {OUT}; compose with profile=smollm2-135m"
        )
    align, pool = params.align, artifacts.load_pool(artifacts.RAW)
    inputs = [align.model_dump(), params.model.model_dump(), artifacts.RAW, *shards.code_of(build)]
    kept = artifacts.SCRATCH / "align" / shards.digest(*inputs)
    kept.mkdir(parents=True, exist_ok=True)
    if not (built := kept / "built").exists():
        build(built)
    at = params.model.model_copy(update={"path": str(built)})
    model, processor = unfrozen(load_base(at), CONNECTOR), load_processor(at)
    rows = EncodedRows(pool, processor, at.max_length, long_rows=at.long_rows)
    order, held = split_by_picture(pool, align.held_out, align.seed)
    if not len(order):
        raise InputError(f"{artifacts.RAW}: no row has an image, so the connector can't be trained")

    def loss(blank: bool = False) -> float:
        return round(answer_loss_of(model, rows, held, align.batch_size, blank), 3)

    before = loss()
    n = align.steps * align.batch_size
    finetune(model, rows, np.resize(order, n), align, at, checkpoint=Checkpoint(kept / "checkpoint"))
    learnt = {"before": before, "after": loss(), "after, pictures blank": loss(blank=True)}
    weights, done = load_file(built / "model.safetensors"), artifacts.fresh(kept / "done")
    for name, weight in trainable(model).items():
        weights[name.removeprefix("model.")] = weight.detach().cpu().contiguous()
    shutil.copytree(built, done, dirs_exist_ok=True)
    with artifacts.whole(done / "model.safetensors") as part:
        save_file(weights, part, metadata={"format": "pt"})
    artifacts.write_json(done / "alignment.json", {"rows": n, "held-out answers": len(held), "loss": learnt})
    shutil.rmtree(OUT, ignore_errors=True)
    shutil.move(done, OUT)
    shutil.rmtree(kept)
    console.line(f"align: {align.steps} steps; held-out loss {learnt}")
    return n


if __name__ == "__main__":
    run_stage("align", main)
