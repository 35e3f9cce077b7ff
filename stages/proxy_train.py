"""proxy_train: a LoRA run on the pool (or a fraction), with snapshots of weights and AdamW state."""

from pathlib import Path

import torch

from cadc import artifacts
from cadc.compute import shards
from cadc.compute.stage import run_stage
from cadc.config.params import Params, load_params
from cadc.model.load import load_processor
from cadc.training.proxy import proxy_run


def training() -> shards.Task:
    """The one run there is, as a shard, so that ranks share it and a killed one goes on."""
    torch.set_num_threads(1)
    params = load_params()
    pool, processor = artifacts.load_pool(), load_processor(params.model)

    def train(_: str, folder: Path) -> None:
        proxy_run(folder, pool, processor, params)

    return train


def main(params: Params) -> int:
    inputs = [params.proxy.model_dump(), params.model.model_dump(), artifacts.POOL, *params.model.sources]
    folders = shards.run(training, ["run"], "proxy_train", inputs, "proxy run", together=True)
    folders["run"].rename(artifacts.fresh(artifacts.PROXY))
    shards.forget("proxy_train")
    return len(artifacts.load_array(artifacts.PROXY / "loss.npy")) * params.proxy.batch_size


if __name__ == "__main__":
    run_stage("proxy_train", main)
