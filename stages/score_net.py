"""score_net NAME: Self-Filter's score-net, trained together with a model of its own; every row's difficulty and what
it was told from."""

import numpy as np
import torch

from cadc import artifacts
from cadc.compute.finite import refuse_not_finite
from cadc.compute.stage import run_stage
from cadc.config.arms import Variant
from cadc.config.params import Params
from cadc.features.score_net import train_score_net
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_base, load_processor, trainable
from cadc.training.optimizer import in_float32

VARIANT = Variant.asked("score_nets")


def main(params: Params) -> int:
    torch.set_num_threads(1)
    settings, pool, processor = params.score_net, artifacts.load_pool(), load_processor(params.model)
    features = np.concatenate(
        [artifacts.load_array(artifacts.EMBEDDINGS / f"{name}.npy") for name in ("image", "text")], axis=1
    )
    order = np.resize(
        np.random.default_rng(settings.seed).permutation(pool.num_rows), round(settings.epochs * pool.num_rows)
    )
    model = add_lora(load_base(params.model), params.model.lora, settings.seed)
    rows = EncodedRows(pool, processor, params.model.max_length, keep=False, long_rows=params.model.long_rows)
    with in_float32(list(trainable(model).values())):
        difficulty = train_score_net(
            model, rows, features, order, params.proxy, params.model, settings.learning_rate, settings.seed
        )
    refuse_not_finite({"difficulty": difficulty}, 0, pool["id"], "row id", "lower score_net.learning_rate")
    out = artifacts.fresh(artifacts.SCORE_NET / VARIANT.name)
    artifacts.save_array(out / "features.npy", features)
    artifacts.save_array(out / "difficulty.npy", difficulty)
    return len(order)


if __name__ == "__main__":
    run_stage("score_net", main, VARIANT)
