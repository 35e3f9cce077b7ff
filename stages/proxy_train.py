"""proxy_train: a LoRA run on the pool (or a fraction), with snapshots of weights and AdamW state."""

import torch

from cadc import artifacts
from cadc.model.load import load_processor
from cadc.params import Params
from cadc.stage import run_stage
from cadc.training.proxy import proxy_run


def main(params: Params) -> int:
    torch.set_num_threads(1)
    return proxy_run(artifacts.fresh(artifacts.PROXY), artifacts.load_pool(), load_processor(params.model.path), params)


if __name__ == "__main__":
    run_stage("proxy_train", main)
