"""CountSketch of the LoRA gradient: each coordinate goes to one bucket with one sign.

Bucket and sign come from a hash of (parameter name, seed), so the sketch is the same on every device, thread count and
batch composition. Signs have mean zero, hence E<Px, Py> = <x, y> (Charikar, Chen, Farach-Colton 2002).
"""

from __future__ import annotations

import hashlib

import numba
import numpy as np
import torch

from cadc.gradients.adamw import Direction


def hashed_generator(name: str, seed: int) -> np.random.Generator:
    """A counter-based generator (Philox) keyed by a parameter's name and a seed."""
    key = hashlib.blake2b(f"{name}\0{seed}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(key, "<u8")))


@numba.njit(error_model="numpy", cache=True)
def _add_adamw(gradients, bucket, sign, momentum, variance, own, square, epsilon, out):
    """out[b, bucket[i]] += sign[i] * direction of gradients[b, i]: one pass, one row's worth of temporaries."""
    n = gradients.shape[1]
    moved = np.empty(n, np.float32)
    for b in range(gradients.shape[0]):
        for i in range(n):
            g = gradients[b, i]
            moved[i] = sign[i] * ((own * g + momentum[i]) / (np.sqrt(square * (g * g) + variance[i]) + epsilon))
        for i in range(n):
            out[b, bucket[i]] += moved[i]


@numba.njit(error_model="numpy", cache=True)
def _add(values, bucket, sign, out):
    for b in range(values.shape[0]):
        for i in range(values.shape[1]):
            out[b, bucket[i]] += sign[i] * values[b, i]


class CountSketch:
    """Projects values of named parameters to float32 [B, width]; `projection=0` keeps every coordinate, exactly."""

    def __init__(self, names: list[str], sizes: list[int], projection: int, seed: int, device: torch.device):
        self.device, self.projection = device, projection
        self.width = projection or sum(sizes)
        self.offset = dict(zip(names, np.cumsum([0, *sizes]).tolist(), strict=False))
        self.bucket, self.sign = {}, {}
        for name, size in zip(names, sizes, strict=True) if projection else ():
            rng = hashed_generator(name, seed)
            self.bucket[name] = torch.from_numpy(rng.integers(projection, size=size)).to(device)
            self.sign[name] = (torch.from_numpy(rng.integers(2, size=size)).float() * 2 - 1).to(device)

    def zeros(self, n_rows: int) -> torch.Tensor:
        """Empty sketches to add to: float32 [n_rows, width]."""
        return torch.zeros(n_rows, self.width, device=self.device)

    def add(self, name: str, values: torch.Tensor, out: torch.Tensor) -> None:
        """Add float32 [B, size] values of parameter `name` to the sketches `out`."""
        if not self.projection:
            out[:, self.offset[name] : self.offset[name] + values.shape[1]] += values
        elif self.device.type == "cpu":
            _add(values.contiguous().numpy(), self.bucket[name].numpy(), self.sign[name].numpy(), out.numpy())
        else:
            out.index_add_(1, self.bucket[name], values * self.sign[name])

    def add_direction(self, name: str, gradients: torch.Tensor, direction: Direction, out: torch.Tensor) -> None:
        """Add the update directions of row gradients float32 [B, size] to the sketches, direction and sketch in one pass on CPU."""
        if not self.projection or self.device.type != "cpu" or direction.update == "sgd":
            self.add(name, direction(name, gradients), out)
            return
        state = (self.bucket[name], self.sign[name], direction.momentum[name], direction.variance[name])
        constants = (np.float32(x) for x in (direction.own, direction.square, direction.epsilon))
        _add_adamw(gradients.contiguous().numpy(), *(x.numpy() for x in state), *constants, out.numpy())
