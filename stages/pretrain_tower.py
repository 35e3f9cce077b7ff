"""pretrain_tower (frozen): the mini world's contrastive tower. Its output is in git; `make pretrain` makes it again."""

from pathlib import Path

import torch

from cadc import artifacts
from cadc.compute.stage import run_stage
from cadc.config.params import Params
from cadc.model.load import load_base, load_processor
from cadc.world.tower import train_tower

BASE, TOWER = Path("models/mini"), Path("towers/mini")


def main(params: Params) -> None:
    torch.set_num_threads(1)
    base = params.model.model_copy(
        update={"path": str(BASE), "dtype": "float32", "processor": {}, "chat_template": None}
    )
    processor = load_processor(base)
    model = train_tower(load_base(base).cpu(), processor, params.tower)
    folder = artifacts.fresh(TOWER)
    model.save_pretrained(folder)
    processor.tokenizer.save_pretrained(folder)
    processor.image_processor.save_pretrained(folder)


if __name__ == "__main__":
    run_stage("pretrain_tower", main)
