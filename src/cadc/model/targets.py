"""Check which layers `model.lora.targets` matches: only linear layers have per-row gradients here."""

from __future__ import annotations

import re
from collections.abc import Callable

from torch import nn

from cadc.config.errors import InputError


def linear_layers(model: nn.Module, which: Callable[[str], object] = bool) -> list[str]:
    """The names of the linear layers for which `which` is true, in order. Numbers become stars, and layers of a module
    are grouped: `layers.*.self_attn.(q_proj|k_proj)`."""
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
    """Raise InputError if the regular expression `targets` matches no module's full name (as PEFT matches), or one that
    is not linear. The message lists the linear layers."""
    hit = {name: module for name, module in model.named_modules() if name and re.fullmatch(targets, name)}
    wrong = [f"{name} ({type(module).__name__})" for name, module in hit.items() if not isinstance(module, nn.Linear)]
    if hit and not wrong:
        return
    what = f"matches {wrong[0]}, which is not a linear layer" if wrong else "matches no layer of the model"
    layers = "; ".join(linear_layers(model))
    raise InputError(f"model.lora.targets: {targets!r} {what}; it is a regular expression over these names: {layers}")
