"""What every training loop does alike: AdamW and its schedule, from where a killed run was; rates of LoRA and of layers
trained whole; clipping; dropout's seeds."""

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

DROPOUT = 9  # a stream of random numbers of its own


def parameter_groups(
    model: PeftModel | PreTrainedModel, learning_rate: float, whole_learning_rate: float | None
) -> list[dict]:
    """Groups for torch's optimizers: all that is trained at `learning_rate`, but for the layers of `model.lora.whole`,
    which have a group of their own at `whole_learning_rate` (None: the same).
    """
    named = trainable(model)
    parts = (
        (learning_rate, [p for name, p in named.items() if not is_whole(name)]),
        (whole_learning_rate or learning_rate, [p for name, p in named.items() if is_whole(name)]),
    )
    return [{"params": found, "lr": rate} for rate, found in parts if found]


def zero_head(width: int, device: torch.device) -> torch.nn.Linear:
    """A linear layer from `width` features to one number, which is 0 until it learns."""
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
    """`recipe`'s AdamW for `groups`, with its linear warm-up and cosine decay over `n_steps`; the losses of all steps,
    float32 [n_steps]; and how many steps are done.

    Where `checkpoint` (None: there are none) holds some, its weights, moments and losses are taken up, and the schedule
    goes on behind them; losses of steps to come are not set. Groups name their `lr`; one that names a `weight_decay`
    has that in place of the recipe's. `fused` is torch's.
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
        group["initial_lr"] = group["lr"]  # which a schedule that goes on asks for
    rate = get_cosine_schedule_with_warmup(
        optimizer, round(recipe.warmup_share * n_steps), n_steps, last_epoch=len(done) - 1
    )
    return optimizer, rate, losses, len(done)


def clip(parameters: list[torch.nn.Parameter], longest: float | None) -> float:
    """Scale all gradients together to length `longest` at most; None leaves them. Returns the length before."""
    length = torch.nn.utils.clip_grad_norm_(parameters, math.inf if longest is None else longest)
    return (length.full_tensor() if isinstance(length, DTensor) else length).item()


def seed_dropout(*keys: int) -> None:
    """Have what is drawn next, dropout's masks, depend on `keys` alone: a run that goes on draws what it would have."""
    torch.manual_seed(int(np.random.SeedSequence([*keys, DROPOUT]).generate_state(1, np.uint64)[0]))


@contextmanager
def in_float32(parameters: list[torch.nn.Parameter]) -> Iterator[None]:
    """Within, parameters are held in float32, so that small updates count; behind it in their own dtype again.

    What was sharded within stays in float32.
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
