"""prepare: the raw pool as one checked table, and the benchmarks in the hub's layout.

    dvc repro prepare

With data.path unset, the embedded world of `world` is written to artifacts/scratch/world as LLaVA-format JSON and PNG
files and read back by the same reader that reads your own data. With pool.lineage set, the pool is the last version
that this file makes of it; DVC does not see the file's content: after another `make metabolism`,
`dvc repro -f -s prepare`.
"""

from collections import deque
from pathlib import Path

import pyarrow.parquet as pq

from cadc import artifacts
from cadc.compute import console
from cadc.compute.stage import run_stage
from cadc.config.errors import InputError
from cadc.config.params import Params
from cadc.data.checks import Checker, check_benchmark
from cadc.data.hub_layout import copy_data_sets, pictures_in, split_files
from cadc.data.lineage import apply_lineage, apply_to_labels, read_lineage, version_of
from cadc.data.own_questions import own_repositories, write_own
from cadc.data.probe import REPOSITORY, load_probe, probe_rows
from cadc.data.reasons import some
from cadc.data.same_pictures import Scored
from cadc.evaluation.catalogue import check_names, needs, repositories
from cadc.world.benchmarks import write_benchmarks
from cadc.world.files import write_labels, write_rows, write_world_pool
from cadc.world.reserve import read_reserve


def update_pool(params: Params, labels: list[dict]) -> None:
    """Put the last version that pool.lineage makes in the place of the raw pool, and its labels in theirs."""
    path = artifacts.RAW / "rows.parquet"
    changes, (reserve, reserve_labels) = (
        read_lineage(Path(params.pool.lineage)),
        read_reserve(params, artifacts.SCRATCH / "reserve"),
    )
    table = apply_lineage(pq.read_table(path), reserve, changes)
    pq.write_table(table, path)
    write_labels(artifacts.LABELS, apply_to_labels(labels, reserve_labels, table["id"].to_pylist(), changes))
    console.line(f"pool: version {version_of(table)} of {params.pool.lineage}, {table.num_rows} rows")


def write_pool_table(params: Params) -> None:
    labels, data = [], params.data
    if data.path is None:
        labels = write_world_pool(artifacts.RAW, artifacts.SCRATCH / "world", params.world, params.pool)
    else:
        write_rows(artifacts.RAW, data.inside(data.annotations), data.inside(data.images), params.pool)
    write_labels(artifacts.LABELS, labels)
    if params.pool.lineage is not None:
        update_pool(params, labels)


def write_benchmark_roots(params: Params) -> None:
    data, roots = params.data, {"probe": artifacts.fresh(artifacts.PROBE), "score": artifacts.fresh(artifacts.SCORE)}
    if data.path is None:
        write_benchmarks(roots["probe"], roots["score"], params.benchmarks, params.world)
        return
    choice, yesno = (data.inside(name) if name else None for name in (data.choice, data.yesno))
    write_own(choice, yesno, Checker(data.inside(data.images), **params.pool.image_rules), roots)
    rules = params.pool.image_rules | {"min_side": 1}  # a benchmark is as it is
    if data.probe:
        targets = params.capture.targets
        copied = copy_data_sets(Path(data.probe), roots["probe"], sorted({REPOSITORY[target] for target in targets}))
        for target in (target for target in targets if REPOSITORY[target] in copied):
            rows = (row for row, _, _ in probe_rows(roots["probe"], target))
            place = roots["probe"] / REPOSITORY[target]
            check_benchmark(((f"{place}, row {row['id']}", row["images"][0]) for row in rows), **rules)
    if data.score:
        tasks = params.evaluate.tasks
        copied = copy_data_sets(Path(data.score), roots["score"], repositories(tasks))
        asked = {task: [part for part in needs(task) if part.repository in copied] for task in tasks}
        files = {
            part: split_files(part.folder(roots["score"]), part.config, part.split)
            for parts in asked.values()
            for part in parts
        }
        for task, parts in asked.items():
            target = task.removesuffix("_static")
            if target in REPOSITORY and any(files[part] for part in parts):
                deque(probe_rows(roots["score"], target), 0)  # refuses cells that say nothing
        for part in files:
            check_benchmark(pictures_in(files[part]), **rules)


def compare_pictures(params: Params) -> None:
    """Say which pictures are both in the pool or aimed at and scored; refuse questions of your own that are both."""
    own = own_repositories(params.data)
    asked = {task: needs(task) for task in params.evaluate.tasks}
    scored = Scored(
        {
            task: [file for data in sets for file in split_files(data.folder(artifacts.SCORE), data.config, data.split)]
            for task, sets in asked.items()
        }
    )
    for task, rows in scored.shared(pictures_in([artifacts.RAW / "rows.parquet"], "id")).items():
        console.line(f"pool: {len(rows)} rows show pictures that {task} is scored on: {some(rows)}")
    for target in params.capture.targets:
        if not (artifacts.PROBE / REPOSITORY[target]).is_dir():
            continue  # nothing is aimed at: `capture` says so
        table = load_probe(artifacts.PROBE, [target])[0].select(["id", "images"])
        shown = ((row["id"], image) for row in table.to_pylist() for image in row["images"])
        for task, rows in scored.shared(shown).items():
            said = (
                f"{len(rows)} rows of {target} that are aimed at show pictures that {task} is scored on: {some(rows)}"
            )
            if own & {REPOSITORY[target], asked[task][0].repository}:
                raise InputError(f"{said}; give each picture of your own questions one of the two")
            console.line(f"probe: {said}")


def main(params: Params) -> None:
    check_names(params.evaluate.tasks, params.evaluate.judge.url is not None)
    write_pool_table(params)
    write_benchmark_roots(params)
    if params.data.path is not None:
        compare_pictures(params)


if __name__ == "__main__":
    run_stage("prepare", main)
