"""world NAME: a complete generated world of `worlds`: pool, labels and benchmarks (testbed/dvc.yaml).

    dvc repro pipelines/testbed/dvc.yaml:world@world-b

The gate judges worlds, and conclusions are confirmed in world-b. `prepare` makes the pool of the default run.
"""

import sys

from cadc import artifacts
from cadc.compute.stage import run_stage
from cadc.config.errors import InputError
from cadc.config.params import Params
from cadc.world.files import write_world

NAME = sys.argv[1]


def main(params: Params) -> int:
    if NAME not in params.worlds:
        raise InputError(f"there is no world {NAME}; known worlds: {', '.join(params.worlds)}")
    world = params.worlds[NAME]
    folder, scratch = artifacts.WORLDS / NAME, artifacts.SCRATCH / "worlds" / NAME
    write_world(folder, scratch, world, params.benchmarks, params.pool)
    return world.rows


if __name__ == "__main__":
    run_stage(f"world@{NAME}", main)
