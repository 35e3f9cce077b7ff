"""convergence ARM STUDY: repeat the runs of an arm and evaluate them at several steps: reports/convergence."""

import os

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

import sys
from pathlib import Path

import numpy as np
import torch

from cadc import artifacts
from cadc.compute import shards
from cadc.compute.stage import run_stage
from cadc.config.arms import Variant
from cadc.config.params import Params, load_params
from cadc.evaluation.accuracies import accuracies
from cadc.evaluation.adapter import chat_of
from cadc.evaluation.bench import Bench, answers
from cadc.evaluation.benchmarks import SHOWN, load_tasks
from cadc.evaluation.catalogue import TASKS
from cadc.evaluation.convergence import along, check_same
from cadc.evaluation.statistics import Samples, measure
from cadc.model.load import fresh_model
from cadc.report.stated import Stated
from cadc.training.grouping import grouped_schedule
from cadc.training.schedule import n_examples, static_schedule

ARM, STUDY = sys.argv[1:3]
VARIANT = Variant("arms", ARM, Stated().maker("arms", ARM))
NAME = f"convergence@{STUDY}_{ARM}"


def schedule_of(params: Params, bench: Bench, seed: int) -> np.ndarray:
    """The training rows of a run in order, int64 [n_examples]. Rows selected by a plan count as one stage, unless each
    round made all its passes."""
    selection, plan = artifacts.realised_selection(ARM, seed), artifacts.SELECTIONS / ARM / "plan.json"
    if plan.exists() and artifacts.read_json(plan)["passes"] == "first":
        selection = artifacts.Selection.of_rows(selection.row)
    examples = n_examples(selection.n_unique, bench.pool.num_rows, params.finetune.epochs)
    if params.finetune.grouped:
        return grouped_schedule(bench.pool, np.asarray(selection.row), examples, params.finetune, seed)
    return static_schedule(selection, examples)


def tracing() -> shards.Task:
    """A task: one seed's losses, as loss.npy, and its samples at each step, as STEP.parquet, in a folder."""
    torch.set_num_threads(1)
    params = load_params(VARIANT)
    bench = Bench(params, artifacts.load_pool())
    names = [name for name in params.evaluate.tasks if TASKS[name].judge is None]
    root = artifacts.BENCHMARKS / params.evaluate.split
    tasks = load_tasks(root, names, picture=SHOWN[params.model.pictures])
    chat = chat_of(params, bench.processor)

    def trace(seed: int, folder: Path) -> None:
        schedule = schedule_of(params, bench, seed)
        losses, asked = along(
            fresh_model(params, seed),
            bench.rows,
            schedule,
            params.finetune,
            params.model,
            seed,
            lambda model: answers(model, chat, tasks),
        )
        check_same(losses, artifacts.load_array(artifacts.ADAPTERS / ARM / artifacts.run_name(seed) / "loss.npy"), ARM)
        artifacts.save_array(folder / "loss.npy", losses)
        for step, samples in asked.items():
            artifacts.write_table(folder / f"{step:07d}.parquet", samples)

    return trace


def followed(figures: dict[str, float]) -> dict[str, float]:
    """The chance-corrected metrics of a run."""
    return {name: round(value, 3) for name, value in figures.items() if name.startswith("corrected_")}


def main(params: Params) -> None:
    seeds = params.arm.seeds
    inputs = [params.model_dump(include={"model", "finetune", "evaluate"}), artifacts.POOL, *params.model.sources]
    inputs += [artifacts.ADAPTERS / ARM, artifacts.BENCHMARKS / params.evaluate.split]
    folders = shards.run(tracing, seeds, NAME, inputs, NAME)
    made = {
        seed: {
            int(path.stem): Samples.of_table(artifacts.read_table(path)) for path in sorted(folder.glob("*.parquet"))
        }
        for seed, folder in folders.items()
    }
    steps = list(next(iter(made.values())))
    out = artifacts.fresh(artifacts.REPORTS / "convergence" / STUDY / ARM)
    artifacts.save_array(out / "loss.npy", np.stack([artifacts.load_array(f / "loss.npy") for f in folders.values()]))
    points = [
        {
            "step": step,
            "figures": [followed(measure(made[seed][step])) for seed in seeds],
            "accuracies": {
                task: {name: round(value, 3) for name, value in own.items()}
                for task, own in accuracies([made[seed][step] for seed in seeds], "meta_task").items()
            },
        }
        for step in steps
    ]
    artifacts.write_json(out / "points.json", {"seeds": seeds, "points": points})
    shards.forget(NAME)


if __name__ == "__main__":
    run_stage("convergence", main, VARIANT)
