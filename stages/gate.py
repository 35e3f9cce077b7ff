"""gate WORLD | plateau WORLD: fine-tune and score random, oracle and full draws, to judge the testbed itself.

`gate` uses the scoring split and the epochs of `finetune`; `plateau` uses the probe split and a grid of epochs
(pipelines/testbed/dvc.yaml).
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

import numpy as np
import pyarrow as pa
import torch

from cadc import artifacts
from cadc.compute import shards
from cadc.compute.stage import run_stage
from cadc.config.budgets import n_selected
from cadc.config.params import Params, load_params
from cadc.evaluation.adapter import chat_of
from cadc.evaluation.bench import Bench, answers
from cadc.evaluation.benchmarks import SHOWN, load_tasks
from cadc.evaluation.gate import Trial, check_tasks, oracle
from cadc.evaluation.intervals import arm_of
from cadc.evaluation.statistics import Samples, measure
from cadc.report import testbed
from cadc.selectors import random
from cadc.selectors.signal import Signal
from cadc.training.schedule import epochs_for

WHAT, WORLD = sys.argv[1:3]
FOLDER = artifacts.WORLDS / WORLD
QUESTIONS = FOLDER / "benchmarks" / ("probe" if WHAT == "plateau" else "score")
NAME = f"{WHAT}@{WORLD}"


def trials(params: Params) -> list[Trial]:
    """Every run of the gate or the plateau, longest first."""
    if WHAT == "plateau":
        sizes = {int(key[1:]) / 100: grid for key, grid in params.plateau.epochs.items()}
        made = [
            Trial("full" if size == 1 else "random", size, epochs, seed)
            for size, grid in sizes.items()
            for epochs in grid
            for seed in params.plateau.seeds
        ]
    else:
        arms = [("random", budget) for budget in params.gate.random] + [("oracle", params.gate.oracle), ("full", 1.0)]
        made = [
            Trial(arm, budget, epochs_for(budget, params.finetune.epochs), seed)
            for arm, budget in arms
            for seed in params.gate.seeds
        ]
        made.append(Trial("base", 0.0, 0.0, params.gate.seeds[0]))
    return sorted(made, key=lambda trial: -trial.budget * trial.epochs)


def draw(trial: Trial, pool: pa.Table, labels: list[dict]) -> np.ndarray:
    """The rows of a trial in training order; none for the base."""
    if trial.budget == 0:
        return np.empty(0, np.int64)
    n = n_selected(trial.budget, pool.num_rows)
    rng = np.random.default_rng([trial.seed, n])
    signal = Signal(pool.num_rows, np.array(pool["source"].to_pylist()))
    return oracle(labels, n, rng) if trial.arm == "oracle" else random.select(signal, n, random.Params(), rng).row


def attempts() -> shards.Task:
    """A task: one trial's samples. The base's questions also serve the blind guess."""
    torch.set_num_threads(1)
    params, labels = load_params(), artifacts.read_table(FOLDER / "labels.parquet").to_pylist()
    bench = Bench(params, artifacts.load_pool(FOLDER / "pool"))
    tasks = load_tasks(QUESTIONS, params.gate.tasks, picture=SHOWN[params.model.pictures])
    chat, by_name = chat_of(params, bench.processor), {trial.name: trial for trial in trials(params)}

    def attempt(name: str, folder: Path) -> None:
        trial = by_name[name]
        rows = draw(trial, bench.pool, labels)
        model = bench.tuned(rows, round(trial.epochs * len(rows)), trial.seed)
        artifacts.write_table(folder / "samples.parquet", answers(model, chat, tasks))

    return attempt


def main(params: Params) -> None:
    check_tasks(params.gate.tasks)
    runs = trials(params)
    inputs = [
        params.finetune.model_dump(),
        params.model.model_dump(),
        params.gate.tasks,
        params.evaluate.model_dump(include={"batch_size", "max_new_tokens"}),
        FOLDER / "labels.parquet",  # of the oracle
        FOLDER / "pool",
        QUESTIONS,
        *params.model.sources,
    ]
    folders = shards.run(attempts, [trial.name for trial in runs], NAME, inputs, NAME)
    samples = {trial: Samples.of_table(artifacts.read_table(folders[trial.name] / "samples.parquet")) for trial in runs}
    if WHAT == "plateau":
        testbed.write_plateau({trial: measure(own) for trial, own in samples.items()})
    else:
        base = next(trial for trial in runs if trial.arm == "base")
        samples[replace(base, arm="blind")] = replace(samples[base], score=samples[base].chance)
        cells: dict[str, Trial] = {}
        for trial in sorted(samples, key=lambda trial: (trial.budget, trial.arm)):
            cells.setdefault(trial.cell, trial)
        arms = {
            cell: arm_of(cell, {t.seed: own for t, own in samples.items() if t.cell == cell}, params.evaluate.bootstrap)
            for cell in cells
        }
        testbed.write_gate(WORLD, cells, arms, params.gate.oracle)
    shards.forget(NAME)


if __name__ == "__main__":
    run_stage(NAME, main)
