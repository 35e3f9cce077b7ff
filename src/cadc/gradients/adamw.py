"""The direction in which AdamW would move the parameters for a single row's gradient, given a snapshot's state."""

from __future__ import annotations

from typing import Literal

import torch

from cadc.training.snapshots import Snapshot

Update = Literal["adamw", "adamw_own", "adam_less", "sgd"]

_EPSILON_LESS = 1e-8  # inside the square root; torch adds it outside


class Direction:
    """Maps row gradients of one parameter to update directions at one snapshot (CADC, methods: discovery, step 1).

    `adamw`: m' = b1 m + (1 - b1) g, v' = b2 v + (1 - b2) g^2, G = m'/(1 - b1^(k+1)) / (sqrt(v'/(1 - b2^(k+1))) + eps)
    after k steps. `adamw_own` leaves out b1 m, which all rows share (ours). `adam_less` is LESS's released rule: m' /
    sqrt(v' + 1e-8) without bias correction, so that directions with small v are momentum. `sgd` is the gradient itself.
    All but `sgd` are multiplied by the parameter's rate relative to the run's (ours: 1 except for fully trained
    layers), so that the run's rate times the direction is the step. With `momentum` = rate b1 m / c1, `variance` = b2 v
    / c2 and `own(name)` = rate (1 - b1) / c1, the direction is (own g + momentum) / (sqrt(square g^2 + variance) +
    eps). Only the moments that an update uses are put on `device`: none for sgd, no m for adamw_own.
    """

    def __init__(self, snapshot: Snapshot, update: Update, device: torch.device):
        self.update, self.epsilon = update, snapshot.epsilon
        less = update == "adam_less"
        correction1, correction2 = (
            1.0 if less else 1 - beta ** (snapshot.step + 1) for beta in (snapshot.beta1, snapshot.beta2)
        )
        self._own, self.square = (1 - snapshot.beta1) / correction1, (1 - snapshot.beta2) / correction2
        self._rate = snapshot.rate
        self.momentum: dict[str, torch.Tensor] = {}
        self.variance: dict[str, torch.Tensor] = {}
        if update == "sgd":
            return
        keep = snapshot.beta1 / correction1
        for name, v in snapshot.exp_avg_sq.items():
            self.variance[name] = (snapshot.beta2 / correction2 * v).flatten().to(device)
            if update == "adamw_own":
                self.momentum[name] = torch.zeros((), device=device).expand(v.numel())  # a single number in memory
            else:
                self.momentum[name] = (keep * self._rate(name) * snapshot.exp_avg[name]).flatten().to(device)
        if less:
            self.epsilon = 0.0
            self.variance = {name: v + _EPSILON_LESS for name, v in self.variance.items()}

    def own(self, name: str) -> float:
        """The factor on a row's own gradient."""
        return self._own * self._rate(name)

    def __call__(self, name: str, gradients: torch.Tensor) -> torch.Tensor:
        """Map gradients float32 [B, size] of parameter `name`, flattened row-major, to directions of the same shape."""
        if self.update == "sgd":
            return gradients
        denominator = (gradients * gradients).mul_(self.square).add_(self.variance[name]).sqrt_().add_(self.epsilon)
        return (gradients * self.own(name)).add_(self.momentum[name]).div_(denominator)
