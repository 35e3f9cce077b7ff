"""pool: the raw or cleaned pool without rows that the model can't learn from; all other stages use it.

    dvc repro pool

The stage writes rows in the order of their ids, so another order in the file changes only the order in skipped.json.
The model's processor counts tokens; no image is decoded. A row is refused if all its answers are beyond
model.max_length, or, with model.long_rows: fail, if any part is. Such a row raises an error, or is skipped and counted
with pool.on_bad_row: skip or llava. Target and benchmark questions must fit completely. The stage also fails if the
tokenizer does not know more than a share pool.unknown_tokens of the text's tokens.
"""

import os
import shutil
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

import numpy as np
import pyarrow.parquet as pq

from cadc import artifacts
from cadc.compute import console, shards
from cadc.compute.stage import run_stage
from cadc.config.params import Params, load_params
from cadc.config.targets import target_name
from cadc.data.probe import place_of
from cadc.data.row_order import write_in_order
from cadc.evaluation import questions
from cadc.evaluation.catalogue import needs
from cadc.model.fit import Fit, refuse_too_long, too_long
from cadc.model.misfits import finding, found_in, inputs_of, refuse, stretches
from cadc.model.unknown import refuse_unknown, said

USES = {"probe": "targets", "score": "scored"}


def scored_root(params: Params) -> Path:
    return artifacts.BENCHMARKS / params.evaluate.split


def asked(params: Params) -> list[str]:
    """`probe.TARGET` and `score.TASK` with questions here; for the others, the stage that reads them reports what to
    do."""
    targets = [target_name(each) for each in params.capture.targets if place_of(artifacts.PROBE, each).exists()]
    tasks = [name for name in params.evaluate.tasks if needs(name)[0].folder(scored_root(params)).is_dir()]
    return [*(f"probe.{name}" for name in targets), *(f"score.{name}" for name in tasks)]


def fitting() -> shards.Task:
    """A task: the rows in one stretch that don't fit, as misfits.json in a folder, or questions of a target or task
    that are too long, as long.json."""
    params = load_params()
    fit, judged = Fit(params.model), params.evaluate.judge.url is not None
    rows = finding(fit, artifacts.ROOT / params.clean.pool)

    def shard(key: int | str, folder: Path) -> None:
        if isinstance(key, int):
            rows(key, folder)
            return
        use, _, name = key.partition(".")
        long = (
            too_long(fit, artifacts.PROBE, name)
            if use == "probe"
            else questions.too_long(fit, scored_root(params), name, judged)
        )
        artifacts.write_json(folder / "long.json", long)

    return shard


def write_without(source: Path, out: Path, misfits: list[dict]) -> None:
    """Write the pool of `source` without `misfits` to `out`, in the order of ids, and list them in skipped.json."""
    shutil.copytree(source, out, ignore=shutil.ignore_patterns("rows.parquet", "skipped.json"), dirs_exist_ok=True)
    left = np.ones(pq.read_metadata(source / "rows.parquet").num_rows, bool)
    left[[row["place"] for row in misfits]] = False
    write_in_order(source / "rows.parquet", out / "rows.parquet", artifacts.SCRATCH / "pool/order", left)
    skipped = artifacts.read_json(source / "skipped.json")
    skipped += [{name: row[name] for name in ("id", "reason")} for row in misfits]
    artifacts.write_json(out / "skipped.json", skipped)


def main(params: Params) -> int:
    source, model, evaluate = artifacts.ROOT / params.clean.pool, params.model, params.evaluate
    pool = artifacts.load_pool(source)
    unknown = refuse_unknown(model, pool, params.pool.unknown_tokens, source / "rows.parquet")
    places, names = stretches(source), asked(params)
    inputs = [
        *inputs_of(model, source),
        evaluate.model_dump(include={"split", "judge"}),
        artifacts.PROBE,
        scored_root(params),
    ]
    folders = shards.run(fitting, [*places, *names], "pool", inputs, "rows and questions that fit")
    n_rows = pool.num_rows
    misfits = found_in(folders[key] for key in places)
    refuse(misfits, n_rows, params.pool.on_bad_row, source / "rows.parquet")
    for part, use in USES.items():
        found = [artifacts.read_json(folders[name] / "long.json") for name in names if name.startswith(part)]
        refuse_too_long([line for lines in found for line in lines], model.max_length, use)
    write_without(source, artifacts.fresh(artifacts.POOL), misfits)
    shards.forget("pool")
    if unknown.unknown:
        console.line(f"pool: {said(unknown, model.path)}")
    console.line(f"pool: {n_rows - len(misfits)} rows, skipped {len(misfits)} that {model.path} can't learn from")
    return n_rows


if __name__ == "__main__":
    run_stage("pool", main)
