"""A run that unlocks rows during training: the schedule, the model that is measured, and the locked answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from transformers import PreTrainedModel

from cadc.artifacts import Selection
from cadc.compute import console
from cadc.compute.endpoint import Endpoint
from cadc.compute.launch import team
from cadc.compute.replies import summary
from cadc.config.errors import InputError
from cadc.config.params import Model, Optimizer
from cadc.config.plan import Plan
from cadc.model.encode import EncodedRows
from cadc.training.adaptive import Adaptive
from cadc.training.answers import mean_losses, measured
from cadc.training.checkpoint import Checkpoint
from cadc.training.finetune import finetune
from cadc.training.parallel import spread
from cadc.training.released_progress import judged_right, row_losses
from cadc.training.verdicts import judged, verdict

SHUFFLED = 7  # id of a separate random stream


class UnlockedRows(EncodedRows):
    """Pool rows whose answers are locked until `unlock`. Reading a locked row is an error."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.unlocked: set[int] = set()

    def unlock(self, which: np.ndarray) -> None:
        self.unlocked.update(which.tolist())

    def record(self, row: int) -> dict[str, Any]:
        if row not in self.unlocked:
            raise PermissionError(f"row {self.table['id'][row].as_py()}: its answer was read while still locked")
        return super().record(row)


@dataclass(frozen=True)
class TunedRun:
    """A finished run: the trained model, the loss of every step float32, the unlocked rows, `Adaptive.history`."""

    model: PeftModel | PreTrainedModel
    losses: np.ndarray
    selection: Selection
    history: np.ndarray


def tune(
    fresh_model: Callable[[], PeftModel | PreTrainedModel], rows: UnlockedRows, plan: Plan, cluster: np.ndarray,
    warm_up: np.ndarray, n: int, n_examples: int, seed: int, settings: Optimizer, model_params: Model,
    checkpoint_path: Path,
) -> TunedRun:  # fmt: skip
    """Train on `n` rows unlocked round by round, `n_examples` examples in total; resumes from `checkpoint_path` if it
    exists.

    cluster int32 [n_rows], warm_up int64 [n_warm_up]. With `plan.shuffled` a second model is trained on the unlocked
    rows in random order; the losses are then those of both runs, concatenated, and the selection has that order and one
    stage. In a distributed run each process measures a share of the rows, and all select the same rows. Raises
    InputError if each of them would call a judge.
    """
    if plan.judge_url and team()[1] > 1:
        raise InputError(
            "judge_url: only a single process can judge answers; start this method without `accelerate launch`"
        )
    model, in_bf16 = fresh_model(), model_params.dtype == "bfloat16"
    judge = Endpoint(plan.judge_url, plan.judge_model) if plan.judge_url else None
    read, losses_of = (judged_right, row_losses) if plan.variant == "released" else (verdict, mean_losses)

    def measure(which: np.ndarray) -> np.ndarray:
        with torch.autocast(next(model.parameters()).device.type, torch.bfloat16, enabled=in_bf16):  # as in training
            scores = spread(lambda mine: measured(model, rows, mine, settings.batch_size, losses_of), which)
            if judge:
                scores[:, 1] = judged(model, rows, which, judge, settings.batch_size, read)
        if judge:
            console.line(f"judge: {summary(judge.spent)}")
        return scores

    schedule = Adaptive(plan, cluster, warm_up, n, n_examples, seed, measure, rows.unlock)
    checkpoint = Checkpoint(
        checkpoint_path, frozenset(mark // settings.batch_size for mark in schedule.marks), schedule
    )
    losses = finetune(model, rows, schedule, settings, model_params, checkpoint=checkpoint, seed=seed)
    selection = schedule.selection()
    if plan.shuffled:
        order = np.random.default_rng([seed, n, SHUFFLED]).permutation(n)
        model = fresh_model()
        again = finetune(model, rows, np.resize(selection.row[order], len(schedule)), settings, model_params, seed=seed)
        losses = np.concatenate([losses, again])
        selection = Selection(
            selection.row[order], selection.weight[order], selection.capability[order], np.zeros(n, np.int32)
        )
    return TunedRun(model, losses, selection, schedule.history())
