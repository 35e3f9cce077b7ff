"""The direction in which AdamW would move the parameters for one row's gradient, from a snapshot's state."""

from __future__ import annotations

from typing import Literal

import torch

from cadc.training.snapshots import Snapshot

Update = Literal["adamw", "adamw_own", "sgd"]


class Direction:
    """Row gradients -> update directions at one snapshot (CADC, methods: discovery, step 1).

    `adamw`: m' = b1 m + (1 - b1) g, v' = b2 v + (1 - b2) g^2, G = m'/(1 - b1^(k+1)) / (sqrt(v'/(1 - b2^(k+1))) + eps)
    with k the steps taken. `adamw_own` leaves out b1 m, which every row shares (ours). `sgd` is the gradient itself.
    """

    def __init__(self, snapshot: Snapshot, names: list[str], update: Update, device: torch.device):
        self.update, self.epsilon = update, snapshot.epsilon
        self.beta1, self.beta2 = snapshot.beta1, snapshot.beta2
        self.correction1 = 1 - self.beta1 ** (snapshot.step + 1)
        self.correction2 = 1 - self.beta2 ** (snapshot.step + 1)
        flat = {which: torch.cat([getattr(snapshot, which)[name].flatten() for name in names]).to(device) for which in ("exp_avg", "exp_avg_sq")}
        self.momentum = self.beta1 * flat["exp_avg"] / self.correction1
        self.variance = self.beta2 * flat["exp_avg_sq"] / self.correction2

    def __call__(self, gradients: torch.Tensor) -> torch.Tensor:
        """float32 [B, width] -> float32 [B, width]; `gradients` is overwritten unless the update is `sgd`."""
        if self.update == "sgd":
            return gradients
        denominator = (gradients * gradients).mul_((1 - self.beta2) / self.correction2).add_(self.variance).sqrt_().add_(self.epsilon)
        gradients.mul_((1 - self.beta1) / self.correction1)
        if self.update == "adamw":
            gradients.add_(self.momentum)
        return gradients.div_(denominator)
