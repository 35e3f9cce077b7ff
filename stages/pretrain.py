"""pretrain BASE (frozen): build a base model from a seed. Its output is in git; `make pretrain` makes it again.

A killed run resumes after its last long phase.
"""

import sys
from pathlib import Path

import torch

from cadc import artifacts
from cadc.compute import shards
from cadc.compute.stage import run_stage
from cadc.config.params import Params
from cadc.world.pretrain import pretrain

BASE = sys.argv[1]


def main(params: Params) -> None:
    torch.set_num_threads(1)
    asked = (params.pretrain, params.bases[BASE])
    name = shards.digest(*(section.model_dump() for section in asked), *shards.code_of(pretrain))
    model, processor = pretrain(*asked, artifacts.SCRATCH / f"pretrain@{BASE}" / name)
    folder = artifacts.fresh(Path("models") / BASE)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    shards.forget(f"pretrain@{BASE}")


if __name__ == "__main__":
    run_stage(f"pretrain@{BASE}", main)
