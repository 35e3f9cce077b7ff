"""Fold LoRA layers of narrow modules into one matrix product each: the same function with fewer operations (ours)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from peft.tuners.lora import Linear
from torch.nn import functional as F

#: Weights up to this size are folded, because there overhead exceeds arithmetic. Wider layers are not: the gradient of
#: the whole weight, which folding needs, costs more than LoRA's small products.
_NARROW = 2**16


@contextmanager
def folded(model: torch.nn.Module) -> Iterator[None]:
    """Context in which a narrow float32 LoRA layer multiplies by W + scale * B A instead of adding B (A x) to W x.

    Gradients of A and B equal LoRA's up to rounding. Only the layers' forward methods are replaced, and restored
    afterwards.
    """
    layers = [module for module in model.modules() if isinstance(module, Linear) and _folds(module)]
    for layer in layers:
        layer.forward = partial(_forward, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _folds(layer: Linear) -> bool:
    """Whether a layer is narrow, float32, and has one plain adapter without dropout."""
    weight, active = layer.get_base_layer().weight, layer.active_adapters
    return (
        isinstance(layer.get_base_layer(), torch.nn.Linear)
        and weight.dtype == torch.float32
        and weight.numel() <= _NARROW
        and not (layer.disable_adapters or layer.merged or layer.lora_variant)
        and len(active) == 1
        and isinstance(layer.lora_dropout[active[0]], torch.nn.Identity)
    )


def _forward(layer: Linear, x: torch.Tensor) -> torch.Tensor:
    base, name = layer.get_base_layer(), layer.active_adapters[0]
    a, b = layer.lora_A[name].weight, layer.lora_B[name].weight
    return F.linear(x, torch.addmm(base.weight, b, a, alpha=layer.scaling[name]), base.bias)
