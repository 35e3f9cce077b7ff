"""Measure how much a second process speeds up asking a benchmark's questions.

`python benchmarks/asking.py` (after `dvc repro score@random`): the questions of one cell, in parts and for every seed,
as `score` asks them, by one process and by two, in alternating turns. Each turn is a separate process, forked after the
imports. Prints seconds and their ratio, from batching the questions to the last answer. On a busy machine, the second
process may get no core, so the ratio of CPU seconds is printed as well: those of the single process over those of the
busier one of two, including loading. Two cores may also be two threads of one core, so each turn also times independent
matrix products, the upper bound of the speed-up here.
"""

import multiprocessing
import os
import shutil
import statistics
import sys
import time
from pathlib import Path

import torch

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

from cadc import artifacts
from cadc.compute import shards
from cadc.config.params import load_params
from cadc.evaluation.adapter import Question, chat_of, questions_of
from cadc.evaluation.asking import Part, ask, batches_of, group, parts
from cadc.evaluation.benchmarks import load_tasks
from cadc.model.adapters import load_adapter
from cadc.model.load import load_base, load_processor

SIZE, STAGE = 340, "benchmark_asking"
_questions: list[Question] = []  # set before forking, like their batches
_batches: list[list[list[int]]] = []


def asking() -> shards.Task:
    params = load_params()
    chat, held = chat_of(params, load_processor(params.model)), []

    def answer(part: Part, folder: Path) -> None:
        if held != [part.seed]:
            adapter = artifacts.ADAPTERS / "random" / artifacts.run_name(part.seed)
            chat.model, held[:] = load_adapter(load_base(params.model), adapter), [part.seed]
        ask(chat, _questions, _batches, part)
        artifacts.write_json(folder / "cpu.json", {str(os.getpid()): time.process_time()})

    return answer


def turn(workers: int, cut: list[Part], took) -> None:
    os.environ["CADC_WORKERS"] = str(workers)
    started = time.perf_counter()
    torch.set_num_threads(1)
    params = load_params()
    _batches[:] = batches_of(chat_of(params, load_processor(params.model)), _questions)
    before = time.process_time() if workers > 1 else 0  # for a single process, its own total includes this
    folders = shards.run_kept(asking, {part: [workers, list(part)] for part in cut}, STAGE, "", group=group)
    took[0] = time.perf_counter() - started
    spent: dict[str, float] = {}
    for folder in folders.values():
        for process, seconds in artifacts.read_json(folder / "cpu.json").items():
            spent[process] = max(seconds, spent.get(process, 0.0))
    took[1] = before + max(spent.values())


def products(n: int) -> None:
    torch.set_num_threads(1)
    a, b = torch.ones(160, 64), torch.eye(64)
    for _ in range(n):
        a = (a @ b).tanh()


def most(n: int = 60_000) -> float:
    """The speed-up of two processes over one on independent products."""
    took = []
    for workers in (1, 2):
        started = time.perf_counter()
        processes = [multiprocessing.Process(target=products, args=(n // workers,)) for _ in range(workers)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        took.append(time.perf_counter() - started)
    return took[0] / took[1]


def main(turns: int) -> None:
    params, seconds, bounds = load_params(), {1: [], 2: []}, []
    root = artifacts.BENCHMARKS / params.evaluate.split
    _questions.extend(questions_of(load_tasks(root, params.evaluate.tasks).tasks))
    cut = [part for seed in params.seeds for part in parts(seed, len(_questions), SIZE)]
    for _ in range(turns):
        bounds.append(most())
        for workers in seconds:
            shutil.rmtree(artifacts.SCRATCH / STAGE, ignore_errors=True)
            took = multiprocessing.Array("d", 2)
            process = multiprocessing.get_context("fork").Process(target=turn, args=(workers, cut, took))
            process.start()
            process.join()
            seconds[workers].append(tuple(took))
            print(f"{workers}: {took[0]:.1f} s, {took[1]:.1f} CPU s, load {os.getloadavg()[0]:.1f}", flush=True)
    shutil.rmtree(artifacts.SCRATCH / STAGE)
    for k, what in enumerate(("seconds", "CPU seconds")):
        ratios = [one[k] / two[k] for one, two in zip(*seconds.values(), strict=True)]
        each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"two processes, by {what}: {statistics.median(ratios):.2f}x one ({each})")
    each = ", ".join(f"{bound:.2f}" for bound in bounds)
    print(f"upper bound (independent products): {statistics.median(bounds):.2f}x ({each})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
