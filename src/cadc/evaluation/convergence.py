"""The learning curve of a run: its loss by step, and its answers at several steps.

The run is repeated to get the answers: the same rows, order, seed and settings give the same losses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from peft import PeftModel
from transformers import PreTrainedModel

from cadc.config.errors import InputError
from cadc.config.params import Model, Optimizer
from cadc.model.encode import EncodedRows
from cadc.model.load import trainable
from cadc.training.finetune import finetune
from cadc.training.schedule import Schedule

Asked = TypeVar("Asked")
POINTS = 8  # equally spaced steps of a run, including its end


def steps_at(n_steps: int, n_points: int = POINTS) -> list[int]:
    """The steps after which a run is evaluated: increasing, the last is its end; fewer for a shorter run."""
    return np.unique(np.ceil(np.arange(1, n_points + 1) * n_steps / n_points).astype(int)).tolist()


def along(
    model: PeftModel | PreTrainedModel,
    rows: EncodedRows,
    schedule: Schedule,
    settings: Optimizer,
    model_params: Model,
    seed: int,
    ask: Callable[[PeftModel | PreTrainedModel], Asked],
) -> tuple[np.ndarray, dict[int, Asked]]:
    """Train `model` as `finetune` does, then call `ask` with its weights after each of `steps_at`.

    Returns the losses float32 [n_steps] and the result of `ask(model)` by step. Holds the weights of all these steps in
    memory.
    """
    steps = steps_at(-(-len(schedule) // settings.batch_size))
    held: dict[int, dict[str, torch.Tensor]] = {}

    def keep(step: int, optimizer: torch.optim.Optimizer, rate: float) -> None:
        held[step] = {name: own.detach().cpu().clone() for name, own in trainable(model).items()}

    losses = finetune(model, rows, schedule, settings, model_params, set(steps), keep, seed=seed)
    asked = {}
    for step in steps:
        with torch.no_grad():
            for name, own in trainable(model).items():
                own.copy_(held[step][name])
        asked[step] = ask(model)
    return losses, asked


def check_same(made: np.ndarray, recorded: np.ndarray, what: str) -> None:
    """Raises InputError if the losses float32 [n_steps] of a repeated run differ from the recorded ones. If the record
    covers several consecutive runs, the last counts."""
    recorded = recorded[-len(made) :]
    if len(recorded) != len(made) or not np.allclose(made, recorded, rtol=1e-3, atol=1e-4):
        raise InputError(
            f"{what}: its loss ends at {made[-1]:.4f} when repeated, but on record at {recorded[-1]:.4f}; run the "
            "arm's finetune again with this code"
        )
