"""Distributed training: each process computes its share of every batch; all hold the same adapter, moments and losses.

Gradients are summed here, once per batch, not by DistributedDataParallel or accelerate's `prepare`: these average over
processes instead of over the batch's answer tokens, and they hang if one process has fewer rows with images than
another. An adapter is small compared with its base, so FSDP shards only the base: every process holds complete
snapshots, checkpoints and adapters. If the model's own weights are trained (`finetune.full`), FSDP also shards these,
their gradients and AdamW's moments; they are gathered for writing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from peft import PeftModel
from torch import distributed
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PreTrainedModel

from cadc.compute.launch import team
from cadc.config.errors import InputError
from cadc.model.adapters import save_adapter, save_weights
from cadc.model.load import trainable


def shares(which: np.ndarray, micro_batch: int | None, rank: int, world: int) -> tuple[list[np.ndarray], int]:
    """The micro-batches of a batch of rows `which` for process `rank` of `world`, and how many of them count.

    A micro-batch has `micro_batch` rows, or the process's whole share. FSDP needs the same number in every process: a
    process with fewer repeats the batch's first rows, which do not count. In one process without `micro_batch` the
    batch stays whole.
    """
    size = min(micro_batch or len(which), -(-len(which) // world))
    parts = [which[start : start + size] for start in range(0, len(which), size)]
    mine = parts[rank::world]
    return mine + parts[:1] * (-(-len(parts) // world) - len(mine)), len(mine)


def add_up(tensor: torch.Tensor) -> None:
    """Replace `tensor` in each process by the sum over all processes."""
    if team()[1] > 1:
        distributed.all_reduce(tensor)


def total(value: float) -> float:
    """The sum of `value` over all processes, the same in each."""
    if team()[1] == 1:
        return value
    summed = torch.tensor(value, dtype=torch.float64)
    add_up(summed)
    return summed.item()


def add_up_gradients(parameters: list[torch.nn.Parameter]) -> None:
    """Replace every `.grad` by the sum over all processes; zero for a parameter that no row of the batch reaches.

    AdamW would skip a parameter without a gradient, and the result would depend on how the batch is split. For sharded
    weights FSDP has already computed the mean.
    """
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    if any(isinstance(parameter, DTensor) for parameter in parameters):
        for parameter in parameters:
            parameter.grad.mul_(team()[1])
    elif team()[1] > 1:
        flat = torch.cat([parameter.grad.flatten() for parameter in parameters])
        add_up(flat)
        for parameter, gradient in zip(
            parameters, flat.split([parameter.numel() for parameter in parameters]), strict=True
        ):
            parameter.grad.copy_(gradient.view_as(parameter))


def spread(measure: Callable[[np.ndarray], np.ndarray], which: np.ndarray) -> np.ndarray:
    """`measure(which)` float64 [len(which), k], where each process measures every `world`-th row and all get the whole
    result.
    """
    rank, world = team()
    if world == 1:
        return measure(which)
    each = -(-len(which) // world)
    mine = torch.from_numpy(measure(np.resize(which, each * world)[rank::world]))
    parts = [torch.empty_like(mine) for _ in range(world)]
    distributed.all_gather(parts, mine)
    return torch.stack(parts, 1).flatten(0, 1)[: len(which)].numpy()


def gathered(tensor: torch.Tensor) -> torch.Tensor:
    """A complete weight or moment on the CPU. If it is sharded, all processes must call this."""
    tensor = tensor.detach()
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).cpu().contiguous()


def spread_as(parameter: torch.nn.Parameter, whole: torch.Tensor) -> torch.Tensor:
    """`whole`, a weight or moment of `parameter`, moved to its device and sharded like it. Scalars, such as AdamW's
    step, stay as they are."""
    if isinstance(parameter, DTensor) and whole.shape == parameter.shape:
        return distribute_tensor(whole.to(parameter.device), parameter.device_mesh, parameter.placements)
    return whole.to(parameter.device)


def save_tuned(model: PeftModel | PreTrainedModel, folder: Path, dtype: torch.dtype) -> None:
    """`save_adapter` for distributed runs: all processes call this, the first one writes.

    Sharded weights are float32 after training and are written in `dtype`.
    """
    if any(isinstance(parameter, DTensor) for parameter in trainable(model).values()):
        weights = {name: gathered(parameter).to(dtype) for name, parameter in trainable(model).items()}
        if team()[0] == 0:
            save_weights(weights, folder)
    elif team()[0] == 0:
        save_adapter(model, folder)


def shard_base(model: PeftModel | PreTrainedModel) -> None:
    """Under accelerate's FSDP config, shard the base over the processes, one language-model layer at a time. LoRA and
    fully trained layers are not sharded; the weights of `finetune.full` are.

    Everything outside these layers (vision tower, embeddings) is gathered at once for every pass, so that a process
    without images need not wait for one with images. Each device must hold the whole base once, while it is loaded.
    Raises InputError if the config uses unsupported options.
    """
    if team()[1] == 1 or os.environ.get("ACCELERATE_USE_FSDP") != "true":
        return
    if os.environ.get("FSDP_VERSION") != "2" or os.environ.get("FSDP_OFFLOAD_PARAMS") == "true":
        raise InputError(
            "accelerate's config: FSDP needs fsdp_version: 2 and no fsdp_offload_params, "
            "as in conf/accelerate/fsdp.yaml"
        )
    adapted = isinstance(model, PeftModel)
    base = model.get_base_model() if adapted else model
    if not adapted:
        _refuse_unreached(base)
    mesh = distributed.init_device_mesh(next(model.parameters()).device.type, (team()[1],))
    options = {"mesh": mesh, "reshard_after_forward": os.environ.get("FSDP_RESHARD_AFTER_FORWARD") == "true"}
    for part in (*base.get_decoder().layers, model):
        fully_shard(part, ignored_params=set(trainable(model).values()) if adapted else None, **options)


def _refuse_unreached(model: PreTrainedModel) -> None:
    """Refuse trained weights outside the language model: the backward pass would hang in a process without images."""
    parts = (model.get_decoder(), model.get_input_embeddings(), model.get_output_embeddings())
    reached = {id(parameter) for part in parts for parameter in part.parameters()}
    if beyond := [name for name, parameter in trainable(model).items() if id(parameter) not in reached]:
        raise InputError(
            f"finetune.full: {beyond[0]} is not a weight of the language model, and FSDP can only train these here: "
            "name only these, or start without fsdp.yaml"
        )
