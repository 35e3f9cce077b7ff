"""pool: the raw or the cleaned pool without rows that the model can't learn from; all other stages work on it.

    dvc repro pool

Tokens are counted by the model's processor, and no picture is decoded. A row whose answers are wholly beyond
model.max_length, or with model.long_rows: fail any row beyond it, is named, or left out and counted under
pool.on_bad_row: skip. Questions that are aimed at or scored must fit whole.
"""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cadc import artifacts
from cadc.compute import console, shards
from cadc.compute.stage import run_stage
from cadc.config.errors import InputError
from cadc.config.params import Params, load_params
from cadc.data.probe import REPOSITORY
from cadc.evaluation.catalogue import repositories
from cadc.model.fit import Fit, check_questions

SHARD_ROWS = 5000


def fitting() -> shards.Task:
    """The rows of one stretch that don't fit, as misfits.json in a folder."""
    params = load_params()
    fit, pool = Fit(params.model), artifacts.load_pool(artifacts.ROOT / params.clean.pool)

    def shard(index: int, folder: Path) -> None:
        misfits = fit.misfits(pool.slice(index * SHARD_ROWS, SHARD_ROWS))
        artifacts.write_json(
            folder / "misfits.json", [row | {"place": index * SHARD_ROWS + row["place"]} for row in misfits]
        )

    return shard


def write_without(source: Path, out: Path, misfits: list[dict]) -> None:
    """The pool of `source` in `out` without `misfits`, which skipped.json gets; a copy to the byte where there are none."""
    shutil.copytree(source, out, copy_function=shutil.copyfile, dirs_exist_ok=True)
    if not misfits:
        return
    left = np.ones(pq.read_metadata(source / "rows.parquet").num_rows, bool)
    left[[row["place"] for row in misfits]] = False
    start = 0
    with (
        pq.ParquetFile(source / "rows.parquet") as file,
        pq.ParquetWriter(out / "rows.parquet", file.schema_arrow) as writer,
    ):
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group)
            writer.write_table(rows.filter(pa.array(left[start : start + len(rows)])))
            start += len(rows)
    skipped = artifacts.read_json(source / "skipped.json")
    artifacts.write_json(
        out / "skipped.json", skipped + [{name: row[name] for name in ("id", "reason")} for row in misfits]
    )


def main(params: Params) -> int:
    source, model = artifacts.ROOT / params.clean.pool, params.model
    n_rows = artifacts.load_pool(source).num_rows
    keys = list(range(-(-n_rows // SHARD_ROWS)))
    settings = model.model_dump(exclude={"lora", "dtype", "attention", "packing", "gradient_checkpointing"})
    folders = shards.run(fitting, keys, "pool", [settings, source, *model.sources], "rows that fit the model")
    misfits = [row for folder in folders.values() for row in artifacts.read_json(folder / "misfits.json")]
    if misfits and (params.pool.on_bad_row != "skip" or len(misfits) == n_rows):
        more = f" ({len(misfits) - 1} more of {n_rows} rows)" if len(misfits) > 1 else ""
        skip = "; or set pool.on_bad_row: skip to leave such rows out and count them" if len(misfits) < n_rows else ""
        raise InputError(f"{source / 'rows.parquet'}, row id {misfits[0]['id']}: {misfits[0]['reason']}{more}{skip}")
    fit, scored = Fit(model), repositories(params.evaluate.tasks)
    check_questions(fit, artifacts.PROBE, params.capture.targets, answers=True)
    check_questions(fit, artifacts.SCORE, [name for name in REPOSITORY if REPOSITORY[name] in scored], answers=False)
    write_without(source, artifacts.fresh(artifacts.POOL), misfits)
    shards.forget("pool")
    console.line(f"pool: {n_rows - len(misfits)} rows, {len(misfits)} left out that {model.path} can't learn from")
    return n_rows


if __name__ == "__main__":
    run_stage("pool", main)
