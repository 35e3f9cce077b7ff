"""replicate: the probe rows' trajectories in proxy runs of other seeds, for capabilities that don't hang on one run."""

from cadc import artifacts
from cadc.capabilities.replicas import replicas
from cadc.compute import shards
from cadc.compute.stage import run_stage
from cadc.config.params import Params


def main(params: Params) -> int:
    inputs = [
        params.proxy.model_dump(),
        params.capture.model_dump(),
        params.model.model_dump(),
        artifacts.POOL,
        artifacts.PROBE,
        *params.model.sources,
    ]
    folders = shards.run(
        replicas, params.replicate.seeds, "replicate", inputs, "proxy runs of other seeds", together=True
    )
    artifacts.fresh(artifacts.REPLICAS)
    for seed, folder in folders.items():
        (folder / "row_gram.npy").rename(artifacts.REPLICAS / f"{seed}.npy")
    artifacts.write_json(artifacts.REPLICAS / "replicas.json", params.replicate.seeds)
    shards.forget("replicate")
    return len(params.replicate.seeds) * round(
        params.proxy.epochs * params.proxy.pool_fraction * artifacts.load_pool().num_rows
    )


if __name__ == "__main__":
    run_stage("replicate", main)
