"""prepare: the pool as one checked table, and the benchmarks in the hub's layout.

    dvc repro prepare

With pool.annotations unset, the mini world is written to artifacts/scratch/world as LLaVA-format JSON and PNG files
and read back by the same reader that reads your own data.
"""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cadc import artifacts, console
from cadc.params import Params
from cadc.pool.benchmarks import write_benchmarks
from cadc.pool.mini_world import write_pool
from cadc.pool.reader import read_pool
from cadc.stage import run_stage

LABELS = pa.schema([(name, pa.string()) for name in ("id", "subtask", "meta_task", "form", "noise", "duplicate_of")])


def main(params: Params) -> None:
    labels = []
    annotations, images = params.pool.annotations, params.pool.images
    if annotations is None:
        world = artifacts.fresh(artifacts.SCRATCH / "world")
        labels = write_pool(world, params.world, np.random.default_rng(params.world.seed))
        annotations, images = world / "pool.json", world / "images"
    table, skipped = read_pool(Path(annotations), Path(images), params.pool.on_bad_row, params.pool.min_image_side, params.pool.embed_images)
    pq.write_table(table, artifacts.fresh(artifacts.POOL) / "rows.parquet")
    artifacts.write_json(artifacts.POOL / "skipped.json", [vars(row) for row in skipped])
    pq.write_table(pa.Table.from_pylist(labels, schema=LABELS), artifacts.LABELS)
    console.line(f"pool: {table.num_rows} rows, {len(skipped)} skipped")

    if params.benchmarks.root is None:
        seeds = np.random.SeedSequence(params.benchmarks.seed).spawn(8)
        rngs = [np.random.default_rng(seed) for seed in seeds]
        write_benchmarks(artifacts.fresh(artifacts.PROBE), artifacts.fresh(artifacts.SCORE), params.benchmarks, params.world.paraphrases, rngs)
        return
    for source, target in ((params.benchmarks.probe_root, artifacts.PROBE), (params.benchmarks.root, artifacts.SCORE)):
        if not Path(source or "").is_dir():
            raise FileNotFoundError(f"benchmarks: no folder {source!r}; set benchmarks.probe_root and benchmarks.root to hub-layout folders")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)


if __name__ == "__main__":
    run_stage("prepare", main)
