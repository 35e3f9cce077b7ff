"""prepare: the raw pool as one checked table, and the benchmarks in the hub's layout.

    dvc repro prepare

If data.path is unset, the generated world of `world` is written to artifacts/scratch/world as LLaVA-format JSON and PNG
files, and read by the same reader as your own data. Target rows share no image with scored questions: such rows are
left out, or refused if they are your own questions. With pool.lineage set, the pool is the last version in that lineage
file. DVC only tracks the names of target files and of pool.lineage: after a change of their content (for example by
`make metabolism`), run `dvc repro -f -s prepare`.
"""

import os
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}


from cadc import artifacts
from cadc.compute import console
from cadc.compute.stage import run_stage
from cadc.config.errors import InputError
from cadc.config.params import Params, read
from cadc.config.targets import is_file, target_name
from cadc.data.checks import Checker, check_benchmark
from cadc.data.hub_copy import copy_data_sets
from cadc.data.hub_layout import pictures_in, split_files
from cadc.data.lineage import apply_lineage, apply_to_labels, read_lineage, version_of
from cadc.data.own_questions import own_repositories, write_own
from cadc.data.planting import MISMATCH, WRONG, plant
from cadc.data.probe import REPOSITORY, Probe, probe_rows, write_chosen
from cadc.data.reasons import some
from cadc.data.row_order import write_in_order
from cadc.data.same_pictures import Scored, draw
from cadc.data.target_files import file_rows
from cadc.evaluation.aims import check_targets
from cadc.evaluation.catalogue import check_names, needs, repositories
from cadc.world.benchmarks import write_benchmarks
from cadc.world.files import write_labels, write_rows, write_world_pool
from cadc.world.reserve import read_reserve


def update_pool(params: Params, labels: list[dict]) -> None:
    """Replace the raw pool and its labels by the last version of pool.lineage."""
    path = artifacts.RAW / "rows.parquet"
    changes, (reserve, reserve_labels) = (
        read_lineage(Path(params.pool.lineage)),
        read_reserve(params, artifacts.SCRATCH / "reserve"),
    )
    table = apply_lineage(artifacts.read_table(path), reserve, changes)
    artifacts.write_table(path, table)
    write_labels(artifacts.LABELS, apply_to_labels(labels, reserve_labels, table["id"].to_pylist(), changes))
    console.line(f"pool: version {version_of(table)} of {params.pool.lineage}, {table.num_rows} rows")


def plant_faults(params: Params) -> list[dict]:
    """Plant the faults of pool.planted in the raw pool. Returns the labels, or none if nothing is planted."""
    path, settings = artifacts.RAW / "rows.parquet", params.pool.planted
    if not settings.answers and not settings.pictures:
        return []
    table, labels = plant(artifacts.read_table(path), settings)
    artifacts.write_table(path, table)
    kinds = Counter(label["noise"] for label in labels)
    said = f"{kinds[WRONG]} rows with another row's answer, {kinds[MISMATCH]} with another row's image"
    console.line(f"pool: planted faults: {said}")
    return labels


def write_pool_table(params: Params) -> None:
    labels, data = [], params.data
    if data.path is None:
        labels = write_world_pool(artifacts.RAW, artifacts.SCRATCH / "world", params.world, params.pool)
    else:
        write_rows(artifacts.RAW, data.inside(data.annotations), data.inside(data.images), params.pool)
        path = artifacts.RAW / "rows.parquet"  # no result may depend on the order of the rows in the user's file
        write_in_order(path, path, artifacts.SCRATCH / "prepare/order")
        labels = plant_faults(params)
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
    rules = params.pool.image_rules | {"min_side": 1}  # benchmarks are used as they are
    if data.probe:
        lying = sorted({REPOSITORY[target] for target in params.capture.targets if target in REPOSITORY})
        copy_data_sets(Path(data.probe), roots["probe"], lying)
    if data.score:
        tasks = params.evaluate.tasks
        wanted = list(dict.fromkeys(part for task in tasks for part in needs(task)))
        splits = {part.repository: [] for part in wanted}
        for part in wanted:
            splits[part.repository].append((part.config, part.split))
        copied = copy_data_sets(Path(data.score), roots["score"], repositories(tasks), splits)
        asked = {task: [part for part in needs(task) if part.repository in copied] for task in tasks}
        files = {
            part: split_files(part.folder(roots["score"]), part.config, part.split)
            for parts in asked.values()
            for part in parts
        }
        for task, parts in asked.items():
            target = task.removesuffix("_static")
            if target in REPOSITORY and any(files[part] for part in parts):
                deque(probe_rows(roots["score"], target, whole=True), 0)  # refuses empty cells
        for part in files:
            check_benchmark(pictures_in(files[part]), **rules)


def scored_pictures(tasks: list[str]) -> Scored:
    """The images of all scored questions."""
    return Scored(
        {
            task: [
                file
                for data in needs(task)
                for file in split_files(data.folder(artifacts.SCORE), data.config, data.split)
            ]
            for task in tasks
        }
    )


def rows_of(params: Params, target: str) -> Sequence[Probe]:
    """All candidate rows of a target, by number; none if the benchmark is missing, which `capture` reports."""
    if is_file(target):
        return file_rows(params, target)
    if target not in REPOSITORY:
        from cadc.evaluation.aimed import AimedRows  # imports lmms-eval, which takes 20 seconds

        return AimedRows(Path(params.data.probe), target)
    return list(probe_rows(artifacts.PROBE, target)) if (artifacts.PROBE / REPOSITORY[target]).is_dir() else []


def write_target(params: Params, target: str, scored: Scored) -> None:
    """Choose the rows of a target, without images that are scored, and write them."""
    rows, name = rows_of(params, target), target_name(target)
    if not len(rows):
        return
    chosen, shared = draw(rows, scored, name, params.capture.target_rows)
    for task, ids in shared.items():
        said = f"{len(ids)} target rows of {name} use images that {task} is scored on: {some(ids)}"
        own = own_repositories(params.data)
        if own & {REPOSITORY.get(target), needs(task)[0].repository}:
            raise InputError(f"{said}; use each image of your own questions for only one of the two")
        console.line(f"probe: {said}; they are not used as targets")
    if not chosen:
        raise InputError(f"capture.targets: {target}: every row uses an image that is scored; choose another target")
    file = write_chosen(artifacts.PROBE, target, map(rows.__getitem__, chosen))
    shown = ((f"{target}, row {row}", image) for row, image in pictures_in([file], "id"))
    check_benchmark(shown, **params.pool.image_rules | {"min_side": 1})
    console.line(f"probe: {name}: {len(chosen)} of {len(rows)} rows are target rows")


def write_targets(params: Params) -> None:
    """Write all target rows, except those of the generated world's benchmarks, which are read in place. Print which
    images the pool shares with scored questions."""
    own = params.data.path is not None
    targets = [target for target in params.capture.targets if own or is_file(target)]
    if not own and not targets:
        return
    scored = scored_pictures(params.evaluate.tasks)
    if own:
        for task, rows in scored.shared(pictures_in([artifacts.RAW / "rows.parquet"], "id")).items():
            console.line(f"pool: {len(rows)} rows use images that {task} is scored on: {some(rows)}")
    for target in targets:
        write_target(params, target, scored)


def main(params: Params) -> None:
    check_names(params.evaluate.tasks, params.evaluate.judge.url is not None)
    check_targets(params, read("params.yaml") if Path("params.yaml").is_file() else {})
    write_pool_table(params)
    write_benchmark_roots(params)
    write_targets(params)


if __name__ == "__main__":
    run_stage("prepare", main)
