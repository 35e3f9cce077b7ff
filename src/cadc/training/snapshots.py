"""Proxy snapshots: trained weights and AdamW state by parameter name, and the steps at which they are taken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import save_file

from cadc import artifacts
from cadc.config.errors import InputError
from cadc.model.adapters import load_tensors
from cadc.model.load import is_whole, trainable


@dataclass(frozen=True)
class Snapshot:
    """State after `step` updates: weights, first and second moments by parameter name; `lr` is the next step's rate.

    whole_rate: learning rate of fully trained layers relative to `lr`, which is LoRA's.
    """

    step: int
    lr: float
    beta1: float
    beta2: float
    epsilon: float
    weights: dict[str, torch.Tensor]
    exp_avg: dict[str, torch.Tensor]
    exp_avg_sq: dict[str, torch.Tensor]
    whole_rate: float = 1.0

    def rate(self, name: str) -> float:
        """The learning rate of parameter `name` relative to `lr`."""
        return self.whole_rate if is_whole(name) else 1.0


def snapshot_steps(n_steps: int, shares: list[float]) -> list[int]:
    """The steps at which increasing `shares` of a run are done, never its start or its end.

    Raises InputError if two shares fall on the same step.
    """
    steps = [max(1, round(share * n_steps)) for share in shares]
    if len(set(steps)) < len(steps) or steps[-1] >= n_steps:
        raise InputError(
            f"proxy: {n_steps} steps are too few for {len(steps)} snapshots after steps {steps}; "
            "change proxy.snapshots or train longer"
        )
    return steps


def save_snapshot(
    folder: Path, index: int, step: int, lr: float, model: PeftModel, optimizer: torch.optim.Optimizer
) -> dict:
    """Write snapshot_`index`.safetensors and return its entry for snapshots.json.

    Parameters that no row has reached have no AdamW state; their moments are zero. Examples are LoRA in layers after
    the one whose features LLaVA uses, and a connector before the first image.
    """
    optimizer = getattr(optimizer, "optimizer", optimizer)  # accelerate wraps it
    tensors, state = {}, optimizer.state
    for name, parameter in trainable(model).items():
        tensors[name] = parameter.detach().float().cpu().contiguous().clone()
        for moment in ("exp_avg", "exp_avg_sq"):
            value = state[parameter][moment] if parameter in state else torch.zeros_like(parameter)
            tensors[f"{name}.{moment}"] = value.detach().float().cpu().contiguous().clone()
    group, *others = optimizer.param_groups
    with artifacts.whole(folder / f"snapshot_{index}.safetensors") as part:
        save_file(tensors, part)
    entry = {"step": step, "lr": lr, "beta1": group["betas"][0], "beta2": group["betas"][1], "epsilon": group["eps"]}
    if others:  # fully trained layers
        entry["whole_rate"] = others[0]["initial_lr"] / group["initial_lr"]
    return entry


def load_snapshots(folder: Path) -> list[Snapshot]:
    """All snapshots of a proxy run, in order. Raises InputError, naming the file, where one can't be read."""
    snapshots, listed = [], folder / "snapshots.json"
    try:
        for index, entry in enumerate(artifacts.read_json(listed)):
            tensors = load_tensors(folder / f"snapshot_{index}.safetensors")
            names = sorted(name for name in tensors if not name.endswith((".exp_avg", ".exp_avg_sq")))
            parts = [{name: tensors[name + suffix] for name in names} for suffix in ("", ".exp_avg", ".exp_avg_sq")]
            snapshots.append(Snapshot(**entry, weights=parts[0], exp_avg=parts[1], exp_avg_sq=parts[2]))
    except (LookupError, TypeError) as error:
        raise artifacts.damaged(listed, error) from None
    return snapshots


def restore(model: PeftModel, snapshot: Snapshot) -> None:
    """Put a snapshot's weights into `model`. Raises InputError if the adapter has other parameters."""
    parameters = trainable(model)
    if set(parameters) != set(snapshot.weights):
        odd = sorted(set(parameters) ^ set(snapshot.weights))[:3]
        raise InputError(
            f"the snapshot does not match model.lora.targets: they differ in {odd}; run the stage proxy again"
        )
    if odd := [name for name, parameter in parameters.items() if parameter.shape != snapshot.weights[name].shape]:
        raise InputError(
            f"the snapshot does not match model.lora: {odd[0]} has another shape; run the stage proxy again"
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(snapshot.weights[name])
