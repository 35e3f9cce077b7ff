"""features NAME: features of every row from the proxy's forward passes: activations, hidden states, losses and
margins."""

import torch

from cadc import artifacts
from cadc.compute import shards
from cadc.compute.stage import run_stage
from cadc.config.arms import Variant
from cadc.config.params import Params, load_params
from cadc.features.forward import BY_ROW, BY_SNAPSHOT, row_features
from cadc.model.load import add_lora, load_base
from cadc.model.pool_shards import measure_pool, pool_shard
from cadc.training.snapshots import load_snapshots

VARIANT = Variant.asked("feature_sets")


def observation() -> shards.Task:
    """A task: the features of one stretch of pool rows, as .npy files in a folder."""
    torch.set_num_threads(1)
    params = load_params(VARIANT)
    base = load_base(params.model)
    image_token, layers, batch_tokens = base.config.image_token_id, params.features.layers, params.capture.batch_tokens
    model, snapshots = add_lora(base, params.model.lora, seed=0), load_snapshots(artifacts.proxy_run(params.run))
    return pool_shard(
        params,
        lambda rows, which: row_features(model, rows, which, snapshots, image_token, layers, batch_tokens),
        BY_ROW,
    )


def main(params: Params) -> int:
    stage, out, inputs = f"features_{VARIANT.name}", artifacts.FEATURES / VARIANT.name, [params.features.model_dump()]
    n_rows = measure_pool(observation, stage, "features of pool rows", params, inputs, out, BY_ROW, BY_SNAPSHOT)
    shards.forget(stage)
    return n_rows * len(load_snapshots(artifacts.proxy_run(params.run)))


if __name__ == "__main__":
    run_stage("features", main, VARIANT)
