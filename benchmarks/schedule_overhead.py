"""What choosing while the model learns costs beside the learning: `python benchmarks/schedule_overhead.py` (two minutes, after `dvc repro`).

One run of every method that does, at 5% and 20% of the pool, timed inside one process: measuring clusters, choosing rows, writing
checkpoints, and all the rest, which is training. Writes reports/benchmarks/schedule_overhead.md.
"""

import importlib
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from cadc import artifacts
from cadc.budgets import n_selected
from cadc.model.load import add_lora, load_base, load_processor
from cadc.params import load_params
from cadc.report.leaderboard import REPORTS, markdown
from cadc.selectors.signal import Signal
from cadc.training.adaptive import Adaptive, BoughtRows
from cadc.training.answers import measured
from cadc.training.checkpoint import Checkpoint
from cadc.training.finetune import finetune
from cadc.training.schedule import epochs_for


class Clock:
    """Seconds spent in the functions that it wraps, by name."""

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


def one_run(method: str, budget: float, folder: Path) -> list[str]:
    params, pool = load_params(), artifacts.load_pool()
    selector, settings = importlib.import_module(f"cadc.selectors.{method}"), params.selector(method)
    clustered = selector.measure(Signal(pool.num_rows, np.zeros(pool.num_rows), artifacts.load_arrays(artifacts.EMBEDDINGS)), settings)
    plan, cluster = selector.plan(clustered, settings)
    n = n_selected(budget, pool.num_rows)
    warm_up = selector.select(clustered, n, settings, np.random.default_rng(0)).row
    model = add_lora(load_base(params.model), params.model.lora, 0)
    rows, clock = BoughtRows(pool, load_processor(params.model.path), params.model.max_length), Clock()
    batch = params.finetune.batch_size
    measure = clock.timed("measuring", lambda which: measured(model, rows, which, plan.objective, batch))
    n_examples = round(epochs_for(budget, params.finetune.epochs) * n)
    schedule = Adaptive(plan, cluster, warm_up, n, n_examples, 0, measure, rows.buy)
    schedule._buy = clock.timed("choosing", schedule._buy)
    checkpoint = Checkpoint(folder / method, frozenset(mark // batch for mark in schedule.marks), schedule)
    object.__setattr__(checkpoint, "save", clock.timed("checkpoints", checkpoint.save))
    clock.timed("all", finetune)(model, rows, schedule, params.finetune, params.model, checkpoint=checkpoint)
    beside = [clock.seconds[name] for name in ("measuring", "choosing", "checkpoints")]
    training = clock.seconds["all"] - sum(beside)
    measured_rows = int(np.minimum(schedule.history()[:, :, 3], plan.rows_per_cluster).sum())
    shares = [f"{100 * part / training:.1f}%" for part in (*beside, sum(beside))]
    return [f"{method}, {100 * budget:g}%", str(len(schedule)), str(measured_rows), *shares]


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        body = [one_run(method, budget, Path(folder)) for method in ("progress_loss", "progress_accuracy") for budget in (0.05, 0.2)]
    header = ["run", "examples trained on", "rows measured", "measuring", "choosing", "checkpoints", "all but training"]
    said = "Of training's seconds in the same run, one thread, encoding of rows included. Made by `python benchmarks/schedule_overhead.py`.\n"
    text = "# What choosing while the model learns costs\n\n" + said + "\n" + markdown(header, body)
    (REPORTS / "benchmarks" / "schedule_overhead.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
