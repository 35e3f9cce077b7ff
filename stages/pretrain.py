"""pretrain (frozen): the mini base from nothing but a seed. Its output is in git; `make pretrain` makes it again."""

from pathlib import Path

import torch

from cadc import artifacts
from cadc.params import Params
from cadc.stage import run_stage
from cadc.training.pretrain import pretrain


def main(params: Params) -> None:
    torch.set_num_threads(1)
    model, processor = pretrain(params.pretrain)
    folder = artifacts.fresh(Path("models/mini"))
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


if __name__ == "__main__":
    run_stage("pretrain", main)
