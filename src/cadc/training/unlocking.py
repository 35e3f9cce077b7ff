"""A run that buys its rows while it learns: the schedule, the model that is measured, and answers that are locked until bought."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from peft import PeftModel

from cadc.artifacts import Selection
from cadc.compute import console
from cadc.compute.endpoint import Endpoint, told
from cadc.compute.launch import team
from cadc.config.params import Model, Optimizer
from cadc.model.encode import EncodedRows
from cadc.training.adaptive import Adaptive, Plan
from cadc.training.answers import judged, measured
from cadc.training.checkpoint import Checkpoint
from cadc.training.finetune import finetune
from cadc.training.parallel import spread

SHUFFLED = 7  # a stream of random numbers of its own


class BoughtRows(EncodedRows):
    """Pool rows whose answers are locked until they are bought: reading any other is an error, so that none is read in silence."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.bought: set[int] = set()

    def buy(self, which: np.ndarray) -> None:
        self.bought.update(which.tolist())

    def __getitem__(self, row: int):
        if row not in self.bought:
            raise PermissionError(
                f"row {self.table['id'][row].as_py()}: its answer was asked for and has not been bought"
            )
        return super().__getitem__(row)


@dataclass(frozen=True)
class Bought:
    """A run that is over: the tuned model, the loss of every step float32, what was bought, `Adaptive.history`."""

    model: PeftModel
    losses: np.ndarray
    selection: Selection
    history: np.ndarray


def tune(
    fresh_model: Callable[[], PeftModel], rows: BoughtRows, plan: Plan, cluster: np.ndarray, warm_up: np.ndarray, n: int, n_examples: int, seed: int,
    settings: Optimizer, model_params: Model, checkpoint_path: Path,
) -> Bought:  # fmt: skip
    """Train on `n` rows bought round by round, `n_examples` examples in all; goes on from `checkpoint_path` where a killed run left one.

    cluster int32 [n_rows], warm_up int64 [n_warm_up]. With `plan.shuffled` a second model is trained on what the first one bought, in
    random order; then the losses are those of both runs, one behind the other, and the selection has that order and one stage.
    Several processes measure a share of the rows each and choose alike. Raises ValueError where a judge would be asked by all of them.
    """
    if plan.judge_url and team()[1] > 1:
        raise ValueError("judge_url: answers are judged by one process; start this method without `accelerate launch`")
    model = fresh_model()
    judge = Endpoint(plan.judge_url, plan.judge_model) if plan.judge_url else None

    def measure(which: np.ndarray) -> np.ndarray:
        scores = spread(lambda mine: measured(model, rows, mine, settings.batch_size), which)
        if judge:
            scores[:, 1] = judged(model, rows, which, judge, settings.batch_size)
            console.line(f"the judge: {told(judge.spent)}")
        return scores

    schedule = Adaptive(plan, cluster, warm_up, n, n_examples, seed, measure, rows.buy)
    checkpoint = Checkpoint(
        checkpoint_path, frozenset(mark // settings.batch_size for mark in schedule.marks), schedule
    )
    losses = finetune(model, rows, schedule, settings, model_params, checkpoint=checkpoint)
    selection = schedule.selection()
    if plan.shuffled:
        order = np.random.default_rng([seed, n, SHUFFLED]).permutation(n)
        model = fresh_model()
        again = finetune(model, rows, np.resize(selection.row[order], len(schedule)), settings, model_params)
        losses = np.concatenate([losses, again])
        selection = Selection(
            selection.row[order], selection.weight[order], selection.capability[order], np.zeros(n, np.int32)
        )
    return Bought(model, losses, selection, schedule.history())
