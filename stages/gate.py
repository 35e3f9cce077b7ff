"""gate | plateau: tune and score random, oracle and full draws, to judge the testbed itself (testbed/dvc.yaml).

`gate` scores on the scoring split, with the epochs of `finetune`; `plateau` on the probe split, over a grid of epochs.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from cadc import artifacts, shards
from cadc.budgets import n_selected
from cadc.evaluation.adapter import ChatModel
from cadc.evaluation.benchmarks import SAMPLE_SCHEMA, load_tasks, run, sample_rows
from cadc.evaluation.gate import Trial, oracle
from cadc.evaluation.statistics import Samples, measure
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_base, load_processor
from cadc.params import Params, load_params
from cadc.report import testbed
from cadc.selectors import random
from cadc.selectors.signal import Signal
from cadc.stage import run_stage
from cadc.training.finetune import finetune
from cadc.training.schedule import epochs_for, static_schedule

WHAT = sys.argv[1]
ROOT = artifacts.PROBE if WHAT == "plateau" else artifacts.SCORE


def trials(params: Params) -> list[Trial]:
    """Every run of the gate or of the plateau, the longest first."""
    if WHAT == "plateau":
        sizes = {int(key[1:]) / 100: grid for key, grid in params.plateau.epochs.items()}
        made = [Trial("full" if size == 1 else "random", size, epochs, params.plateau.seed) for size, grid in sizes.items() for epochs in grid]
    else:
        arms = [("random", budget) for budget in params.gate.random] + [("oracle", params.gate.oracle), ("full", 1.0)]
        made = [Trial(arm, budget, epochs_for(budget, params.finetune.epochs), seed) for arm, budget in arms for seed in params.gate.seeds]
        made.append(Trial("base", 0.0, 0.0, params.gate.seeds[0]))
    return sorted(made, key=lambda trial: -trial.budget * trial.epochs)


class Bench:
    """Pool, processor and tasks, loaded once and shared by all trials of a process."""

    def __init__(self, params: Params):
        self.params = params
        self.pool, self.labels = artifacts.load_pool(), pq.read_table(artifacts.LABELS).to_pylist()
        self.processor = load_processor(params.model.path)
        self.signal = Signal(self.pool.num_rows, np.array(self.pool["source"].to_pylist()))
        self.rows = EncodedRows(self.pool, self.processor, params.model.max_length)
        self.tasks = load_tasks(ROOT, params.gate.tasks)
        self.chat = ChatModel(self.processor, params.evaluate.batch_size, params.evaluate.max_new_tokens)

    def draw(self, trial: Trial) -> np.ndarray:
        n = n_selected(trial.budget, self.pool.num_rows)
        rng = np.random.default_rng([trial.seed, n])
        return oracle(self.labels, n, rng) if trial.arm == "oracle" else random.select(self.signal, n, random.Params(), rng).row

    def score(self, trial: Trial) -> Samples:
        """Tune the base on the trial's rows and ask it every question."""
        params = self.params
        model = add_lora(load_base(params.model), params.model.lora, trial.seed)
        if trial.budget > 0:
            rows = artifacts.Selection.of_rows(self.draw(trial))
            order = static_schedule(rows, round(trial.epochs * len(rows)))
            finetune(model, self.rows, order, params.finetune, params.model)
        self.chat.model = model
        samples = run(self.chat, self.tasks)[1]
        rows = [row for task in sorted(samples) for row in sample_rows(task, samples[task])]
        return Samples.of_table(pa.Table.from_pylist(rows, schema=SAMPLE_SCHEMA))


def attempts() -> shards.Task:
    """One trial, its figures in percent as JSON in a folder; the base's questions serve the blind guess too."""
    torch.set_num_threads(1)
    bench = Bench(load_params())
    by_name = {trial.name: trial for trial in trials(bench.params)}

    def attempt(name: str, folder: Path) -> None:
        samples = bench.score(by_name[name])
        artifacts.write_json(folder / "figures.json", measure(samples))
        if by_name[name].arm == "base":
            artifacts.write_json(folder / "blind.json", measure(replace(samples, score=samples.chance)))

    return attempt


def main(params: Params) -> None:
    runs = trials(params)
    inputs = [params.finetune.model_dump(), params.model.model_dump(), params.gate.tasks, artifacts.POOL, ROOT, Path(params.model.path)]
    folders = shards.run(attempts, [trial.name for trial in runs], WHAT, inputs, WHAT)
    figures = {trial: artifacts.read_json(folders[trial.name] / "figures.json") for trial in runs}
    figures |= {replace(trial, arm="blind"): artifacts.read_json(folders[trial.name] / "blind.json") for trial in runs if trial.arm == "base"}
    testbed.write_plateau(figures) if WHAT == "plateau" else testbed.write_gate(figures, params.gate.oracle)
    shards.forget(WHAT)


if __name__ == "__main__":
    run_stage(WHAT, main)
