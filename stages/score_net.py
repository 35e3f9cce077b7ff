"""score_net NAME: train Self-Filter's score-net together with its own model; gives every row's difficulty and the
features used."""

from pathlib import Path

import numpy as np
import torch

from cadc import artifacts
from cadc.compute import shards
from cadc.compute.finite import refuse_not_finite
from cadc.compute.launch import team
from cadc.compute.stage import run_stage
from cadc.config.arms import Variant
from cadc.config.params import Params, load_params
from cadc.features.score_net import train_score_net
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_base, load_processor, trainable
from cadc.training.checkpoint import checkpoint_beside
from cadc.training.optimizer import in_float32

VARIANT = Variant.asked("score_nets")
EMBEDDED = [artifacts.EMBEDDINGS / f"{name}.npy" for name in ("image", "text")]


def training() -> shards.Task:
    """A task: features.npy and difficulty.npy in a folder, by all ranks together. Checkpoints are next to it, so that a
    killed run resumes."""
    torch.set_num_threads(1)
    params = load_params(VARIANT)
    settings, pool, processor = params.score_net, artifacts.load_pool(), load_processor(params.model)
    features = np.concatenate([artifacts.load_array(path) for path in EMBEDDED], axis=1)
    order = np.resize(
        np.random.default_rng(settings.seed).permutation(pool.num_rows), round(settings.epochs * pool.num_rows)
    )

    def train(_: str, folder: Path) -> None:
        model = add_lora(load_base(params.model), params.model.lora, settings.seed)
        rows = EncodedRows(pool, processor, params.model.max_length, keep=False, long_rows=params.model.long_rows)
        kept = checkpoint_beside(folder)
        with in_float32(list(trainable(model).values())):
            difficulty = train_score_net(
                model, rows, features, order, params.proxy, params.model, settings.learning_rate, settings.seed, kept
            )
        refuse_not_finite({"difficulty": difficulty}, 0, pool["id"], "row id", "lower score_net.learning_rate")
        if team()[0] == 0:
            artifacts.save_array(folder / "features.npy", features)
            artifacts.save_array(folder / "difficulty.npy", difficulty)

    return train


def main(params: Params) -> int:
    stage, settings = f"score_net_{VARIANT.name}", params.score_net
    inputs = [settings.model_dump(), params.proxy.model_dump(), params.model.model_dump(), artifacts.POOL, *EMBEDDED]
    folders = shards.run(training, ["net"], stage, [*inputs, *params.model.sources], stage, together=True)
    (folder,) = folders.values()
    out = artifacts.fresh(artifacts.SCORE_NET / VARIANT.name)
    shards.link(folder, out)
    shards.forget(stage)
    return round(settings.epochs * artifacts.load_pool().num_rows)


if __name__ == "__main__":
    run_stage("score_net", main, VARIANT)
