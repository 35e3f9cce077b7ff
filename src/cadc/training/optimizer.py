"""Shared by all training loops: AdamW with its schedule (also when resuming), learning rates of LoRA and of fully
trained layers, clipping, and dropout seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from peft import PeftModel
from torch.distributed.tensor import DTensor
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel, get_cosine_schedule_with_warmup

from cadc.config.params import Optimizer
from cadc.model.load import is_whole, trainable

if TYPE_CHECKING:
    from cadc.training.checkpoint import Checkpoint

DROPOUT = 9  # id of a separate random stream


def parameter_groups(
    model: PeftModel | PreTrainedModel, learning_rate: float, whole_learning_rate: float | None
) -> list[dict]:
    """Parameter groups for torch's optimizers: everything trained at `learning_rate`, except the layers of
    `model.lora.whole`, which form a group at `whole_learning_rate` (None: the same).
    """
    named = trainable(model)
    parts = (
        (learning_rate, [p for name, p in named.items() if not is_whole(name)]),
        (whole_learning_rate or learning_rate, [p for name, p in named.items() if is_whole(name)]),
    )
    return [{"params": found, "lr": rate} for rate, found in parts if found]


def zero_head(width: int, device: torch.device) -> torch.nn.Linear:
    """A linear layer from `width` features to one number, initialised to zero."""
    head = torch.nn.Linear(width, 1, device=device)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    return head


def started(
    model: PeftModel | PreTrainedModel,
    groups: list[dict],
    recipe: Optimizer,
    n_steps: int,
    checkpoint: Checkpoint | None,
    fused: bool | None = None,
) -> tuple[torch.optim.AdamW, LambdaLR, np.ndarray, int]:
    """AdamW of `recipe` for `groups`, its schedule (linear warm-up, cosine decay over `n_steps`), the losses of all
    steps, float32 [n_steps], and the number of steps done.

    If `checkpoint` exists, its weights, moments and losses are restored and the schedule continues from there; losses
    of later steps are uninitialised. Each group states its `lr`; a `weight_decay` in a group overrides the recipe's.
    `fused` is torch's.
    """
    optimizer = torch.optim.AdamW(
        groups,
        recipe.learning_rate,
        (recipe.beta1, recipe.beta2),
        recipe.epsilon,
        recipe.weight_decay,
        fused=fused,
    )
    losses = np.empty(n_steps, np.float32)
    done = checkpoint.load(model, optimizer) if checkpoint else losses[:0]
    losses[: len(done)] = done
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]  # required to resume a schedule
    rate = get_cosine_schedule_with_warmup(
        optimizer, round(recipe.warmup_share * n_steps), n_steps, last_epoch=len(done) - 1
    )
    return optimizer, rate, losses, len(done)


def clip(parameters: list[torch.nn.Parameter], longest: float | None) -> float:
    """Clip the joint gradient norm to `longest` (None: no clipping). Returns the norm before."""
    length = torch.nn.utils.clip_grad_norm_(parameters, math.inf if longest is None else longest)
    return (length.full_tensor() if isinstance(length, DTensor) else length).item()


def seed_dropout(*keys: int) -> None:
    """Seed torch so that the next dropout masks depend only on `keys`, also after a resume."""
    torch.manual_seed(int(np.random.SeedSequence([*keys, DROPOUT]).generate_state(1, np.uint64)[0]))


@contextmanager
def in_float32(parameters: list[torch.nn.Parameter]) -> Iterator[None]:
    """Within this context parameters are float32, so that small updates count; afterwards they have their own dtype.

    Parameters that were sharded meanwhile stay float32.
    """
    kept = [parameter.dtype for parameter in parameters]
    for parameter in parameters:
        parameter.data = parameter.data.float()
    try:
        yield
    finally:
        for parameter, dtype in zip(parameters, kept, strict=True):
            if not isinstance(parameter, DTensor):
                parameter.data = parameter.data.to(dtype)
