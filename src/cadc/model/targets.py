"""Which layers of a model `model.lora.targets` names: linear ones alone, whose rows have gradients of their own."""

from __future__ import annotations

import re
from collections.abc import Callable

from torch import nn

from cadc.config.errors import InputError


def linear_layers(model: nn.Module, which: Callable[[str], object] = bool) -> list[str]:
    """The names of the linear layers `which` is true of, in order: a star for each number, those of one module
    together, as in `layers.*.self_attn.(q_proj|k_proj)`."""
    found: dict[str, dict[str, None]] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and which(name):
            *above, last = ["*" if part.isdigit() else part for part in name.split(".")]
            found.setdefault(".".join(above), {})[last] = None
    groups = (
        (above, f"({'|'.join(names)})" if len(names) > 1 else next(iter(names))) for above, names in found.items()
    )
    return [f"{above}.{names}" if above else names for above, names in groups]


def check_targets(model: nn.Module, targets: str) -> None:
    """Raise InputError where the regular expression `targets` matches no module's whole name, as PEFT takes it, or one
    that is not linear; it lists those that are."""
    hit = {name: module for name, module in model.named_modules() if name and re.fullmatch(targets, name)}
    wrong = [f"{name} ({type(module).__name__})" for name, module in hit.items() if not isinstance(module, nn.Linear)]
    if hit and not wrong:
        return
    what = f"matches {wrong[0]}, which is not a linear layer" if wrong else "matches no layer of the model"
    layers = "; ".join(linear_layers(model))
    raise InputError(f"model.lora.targets: {targets!r} {what}; it is a regular expression over these names: {layers}")
