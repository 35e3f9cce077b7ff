"""Checkpoints: a killed run resumes and gives the same bytes as an uninterrupted one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from peft import PeftModel
from safetensors.torch import save_file
from transformers import PreTrainedModel

from cadc.artifacts import whole
from cadc.compute import console
from cadc.compute.launch import team
from cadc.config.errors import InputError, first_line
from cadc.model.adapters import load_tensors
from cadc.model.load import trainable
from cadc.training.parallel import gathered, spread_as

_STATE = (
    "step",
    "exp_avg",
    "exp_avg_sq",
)  # AdamW state; parameters that no row has reached have none


class Stateful(Protocol):
    """A schedule with state beyond the number of steps done."""

    def state(self) -> dict[str, np.ndarray]: ...

    def load(self, state: dict[str, np.ndarray]) -> None: ...


def checkpoint_beside(folder: Path) -> Path:
    """The checkpoint path of the run that writes to `folder`. It is next to the folder, because the folder of a
    killed run is cleared."""
    return folder.with_suffix(".checkpoint")


@dataclass(frozen=True)
class Checkpoint:
    """Where a run's state is saved, and the steps after which it always is. Only the last state is kept; writes are
    atomic.

    It holds the trained weights, those of an optional `head`, AdamW's moments, the losses so far and the schedule's
    state. No random state is needed, because no draw depends on earlier draws.
    """

    path: Path
    steps: frozenset[int] = frozenset()
    schedule: Stateful | None = None
    head: torch.nn.Module | None = None

    def due(self, step: int, every: int | None) -> bool:
        """Whether to save after `step` steps, if every `every`-th step is saved (None: only `steps`)."""
        return step in self.steps or bool(every and step % every == 0)

    def save(self, model: PeftModel | PreTrainedModel, optimizer: torch.optim.Optimizer, losses: np.ndarray) -> None:
        """losses: float32, one per step done. In a distributed run all processes call this; the first one writes."""
        tensors = {"losses": torch.from_numpy(losses.copy())}
        for name, parameter in self._learnt(model).items():
            tensors[f"weight.{name}"] = gathered(parameter)
            if parameter in optimizer.state:
                tensors |= {f"{part}.{name}": gathered(optimizer.state[parameter][part]) for part in _STATE}
        if team()[0] > 0:
            return
        if self.schedule:
            tensors |= {f"schedule.{name}": torch.tensor(array) for name, array in self.schedule.state().items()}
        with whole(self.path) as part:
            save_file(tensors, part)

    def _learnt(self, model: PeftModel | PreTrainedModel) -> dict[str, torch.nn.Parameter]:
        beside = self.head.named_parameters() if self.head else ()
        return trainable(model) | {f"head.{name}": parameter for name, parameter in beside}

    def load(self, model: PeftModel | PreTrainedModel, optimizer: torch.optim.Optimizer) -> np.ndarray:
        """Restore the state. Returns the losses of the steps done, float32; empty if there is no checkpoint.

        Raises InputError, naming the file, if it can't be read or belongs to another run."""
        if not self.path.exists():
            return np.empty(0, np.float32)
        try:
            losses = self._restored(load_tensors(self.path), model, optimizer)
        except torch.OutOfMemoryError:
            raise
        except (LookupError, RuntimeError, InputError) as error:  # also of another recipe: names and shapes differ
            raise InputError(
                f"{self.path}: not a checkpoint of this run ({first_line(error)}); remove it, and the run starts again"
            ) from None
        console.line(f"resuming after step {len(losses)}, from {self.path.name}")
        return losses

    def _restored(
        self, tensors: dict[str, torch.Tensor], model: PeftModel | PreTrainedModel, optimizer: torch.optim.Optimizer
    ) -> np.ndarray:
        losses = tensors["losses"].numpy()
        with torch.no_grad():
            for name, parameter in self._learnt(model).items():
                parameter.copy_(spread_as(parameter, tensors[f"weight.{name}"]))
                if f"step.{name}" in tensors:
                    optimizer.state[parameter] = {
                        part: spread_as(parameter, tensors[f"{part}.{name}"]) for part in _STATE
                    }
        if self.schedule:
            prefix = "schedule."
            self.schedule.load(
                {
                    name.removeprefix(prefix): tensor.numpy()
                    for name, tensor in tensors.items()
                    if name.startswith(prefix)
                }
            )
        return losses
