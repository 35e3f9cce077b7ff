"""proxy NAME: LoRA runs on the pool (or a fraction of it), one per seed, with snapshots of weights and AdamW state."""

from pathlib import Path

import torch

from cadc import artifacts
from cadc.compute import shards
from cadc.compute.stage import run_stage
from cadc.config.arms import Variant
from cadc.config.params import Params, load_params
from cadc.model.load import load_processor
from cadc.training.proxy import proxy_run

VARIANT = Variant.asked("proxies")


def training() -> shards.Task:
    """A task: the run of one seed, shared by all ranks; a killed run resumes."""
    torch.set_num_threads(1)
    params = load_params(VARIANT)
    pool, processor = artifacts.load_pool(), load_processor(params.model)

    def train(run: str, folder: Path) -> None:
        proxy_run(folder, pool, processor, params, params.proxy.seeds[int(run.removeprefix("run_"))])

    return train


def main(params: Params) -> int:
    runs = [f"run_{k}" for k in range(len(params.proxy.seeds))]
    inputs = [params.proxy.model_dump(), params.model.model_dump(), artifacts.POOL, *params.model.sources]
    folders = shards.run(training, runs, f"proxy_{VARIANT.name}", inputs, "proxy runs", together=True)
    out = artifacts.fresh(artifacts.PROXY / VARIANT.name)
    for run in runs:
        shards.link(folders[run], out / run)
    shards.forget(f"proxy_{VARIANT.name}")
    steps = sum(len(artifacts.load_array(out / run / "loss.npy")) for run in runs)
    return steps * params.proxy.batch_size


if __name__ == "__main__":
    run_stage("proxy", main, VARIANT)
