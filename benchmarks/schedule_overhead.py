"""Measure the overhead of selecting rows during training.

`python benchmarks/schedule_overhead.py` (six minutes, after `dvc repro`) writes
reports/benchmarks/schedule_overhead.md: one run per objective, at 5% and 20% of the pool, timed in one process with one
thread.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from commits import measured_at

from cadc import artifacts
from cadc.artifacts import REPORTS
from cadc.config.arms import Variant
from cadc.config.budgets import n_selected
from cadc.config.params import load_params
from cadc.model.load import add_lora, load_base, load_processor
from cadc.report.text import markdown
from cadc.selectors.loading import load_selector
from cadc.selectors.signal import Signal
from cadc.training.adaptive import Adaptive
from cadc.training.answers import measured
from cadc.training.checkpoint import Checkpoint
from cadc.training.finetune import finetune
from cadc.training.schedule import n_examples
from cadc.training.unlocking import UnlockedRows


class Clock:
    """Accumulates seconds by name."""

    def __init__(self):
        self.seconds: dict[str, float] = {}

    def timed(self, name, function):
        def wrapped(*args, **kwargs):
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

        return wrapped


class TimedSchedule(Adaptive):
    """Times everything that happens when a batch is requested."""

    clock: Clock

    def __getitem__(self, examples: slice) -> np.ndarray:
        return self.clock.timed("schedule", super().__getitem__)(examples)


class TimedCheckpoint(Checkpoint):
    """Times every checkpoint."""

    def save(self, *args) -> None:
        self.schedule.clock.timed("checkpoints", super().save)(*args)


def one_run(objective: str, budget: float, folder: Path) -> list[str]:
    params, pool, clock = load_params(Variant("arms", "progress")), artifacts.load_pool(), Clock()
    selector, settings = load_selector("progress", params.arm.select | {"objective": objective}, "arms.progress")
    signal = Signal(pool.num_rows, np.zeros(pool.num_rows), artifacts.load_arrays(artifacts.EMBEDDINGS))
    clustered = clock.timed("clusters", selector.measure)(signal, settings)
    plan, cluster = selector.plan(clustered, settings)
    n = n_selected(budget, pool.num_rows)
    warm_up = clock.timed("warm-up", selector.select)(clustered, n, settings, np.random.default_rng(0)).row
    model = add_lora(load_base(params.model), params.model.lora, 0)
    rows, batch = UnlockedRows(pool, load_processor(params.model), params.model.max_length), params.finetune.batch_size
    measure = clock.timed("measuring", lambda which: measured(model, rows, which, batch))
    schedule = TimedSchedule(
        plan, cluster, warm_up, n, n_examples(n, pool.num_rows, params.finetune.epochs), 0, measure, rows.unlock
    )
    schedule.clock = clock
    checkpoint = TimedCheckpoint(
        folder / f"{objective}{budget}", frozenset(mark // batch for mark in schedule.marks), schedule
    )
    clock.timed("all", finetune)(model, rows, schedule, params.finetune, params.model, checkpoint=checkpoint)
    took = clock.seconds
    training = took["all"] - took["schedule"] - took["checkpoints"]
    parts = [took["measuring"], took["schedule"] - took["measuring"], took["checkpoints"]]
    shares = [f"{100 * part / training:.1f}%" for part in (*parts, sum(parts), took["clusters"] + took["warm-up"])]
    return [
        f"progress by {objective}, {100 * budget:g}%",
        str(len(schedule)),
        f"{schedule.history()[:, :, 4].sum():.0f}",
        *shares,
    ]


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        body = [
            one_run(objective, budget, Path(folder)) for objective in ("loss", "accuracy") for budget in (0.05, 0.2)
        ]
    header = [
        "run",
        "examples trained on",
        "rows measured",
        "measuring",
        "selecting",
        "checkpoints",
        "whole schedule",
        "clusters and warm-up, once for all runs",
    ]
    said = "In % of the training time in the same run, including encoding of rows. "
    said += "Embeddings are computed earlier, by `embed`.\n\n"
    text = (
        "# The overhead of selecting rows during training\n\n"
        + said
        + f"Made by `python benchmarks/schedule_overhead.py`.\n\n{measured_at()}\n\n"
        + markdown(header, body)
    )
    (REPORTS / "benchmarks" / "schedule_overhead.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
