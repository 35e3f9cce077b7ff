"""pretrain BASE (frozen): a base from nothing but a seed. Its output is in git; `make pretrain` makes it again."""

import sys
from pathlib import Path

import torch

from cadc import artifacts
from cadc.compute.stage import run_stage
from cadc.config.params import Params
from cadc.world.pretrain import pretrain

BASE = sys.argv[1]


def main(params: Params) -> None:
    torch.set_num_threads(1)
    model, processor = pretrain(params.pretrain, params.bases[BASE])
    folder = artifacts.fresh(Path("models") / BASE)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


if __name__ == "__main__":
    run_stage(f"pretrain@{BASE}", main)
