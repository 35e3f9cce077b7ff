"""What every training loop does alike: rates of LoRA and of layers trained whole, clipping, dropout's seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from peft import PeftModel
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from cadc.model.load import is_whole, trainable

DROPOUT = 9  # a stream of random numbers of its own


def parameter_groups(
    model: PeftModel | PreTrainedModel, learning_rate: float, whole_learning_rate: float | None
) -> list[dict]:
    """Groups for torch's optimizers: all that is trained at `learning_rate`, but for the layers of `model.lora.whole`,
    which have a group of their own at `whole_learning_rate` (None: the same).

    Groups name their `initial_lr`, which a schedule that goes on asks for.
    """
    named = trainable(model)
    parts = (
        (learning_rate, [p for name, p in named.items() if not is_whole(name)]),
        (whole_learning_rate or learning_rate, [p for name, p in named.items() if is_whole(name)]),
    )
    return [{"params": found, "lr": rate, "initial_lr": rate} for rate, found in parts if found]


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
