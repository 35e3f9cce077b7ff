"""Random projections of the LoRA gradient, parameter by parameter, that approximately preserve inner products.

Signs and positions come from a hash of (parameter name, seed), so the projection is the same for every device, thread
count and batch composition. For both kinds E<Px, Py> = <x, y>, and Var<Px, Py> is at most (|x|^2 |y|^2 + <x, y>^2) /
width.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from cadc.compute import console
from cadc.compute.compiled import njit
from cadc.gradients.adamw import Direction

_BLOCK = 1024  # coordinates per block of Rademacher signs


def hashed_generator(name: str, *keys: int) -> np.random.Generator:
    """A counter-based generator (Philox), keyed by a parameter name and numbers."""
    key = hashlib.blake2b("\0".join([name, *map(str, keys)]).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(key, "<u8")))


def _signs(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    """Random signs +1 or -1, float32, of the given shape."""
    bits = np.unpackbits(np.frombuffer(rng.bytes(-(-int(np.prod(shape)) // 8)), np.uint8), count=int(np.prod(shape)))
    return torch.from_numpy(bits.astype(np.float32) * 2 - 1).reshape(shape)


class Exact:
    """No projection: every coordinate has its own position."""

    def __init__(self, names: list[str], sizes: list[int], device: torch.device):
        self.device, self.width = device, sum(sizes)
        self._start = dict(zip(names, np.cumsum([0, *sizes]).tolist(), strict=False))

    def zeros(self, n_rows: int) -> torch.Tensor:
        """Zero sketches to add to: float32 [n_rows, width]."""
        return torch.zeros(n_rows, self.width, device=self.device)

    def add(self, name: str, values: torch.Tensor, out: torch.Tensor) -> None:
        """Add the projection of values float32 [B, size] of parameter `name` to sketches `out` float32 [B, width]."""
        out[:, self._start[name] : self._start[name] + values.shape[1]] += values

    def add_direction(self, name: str, gradients: torch.Tensor, direction: Direction, out: torch.Tensor) -> None:
        """Add the projected update directions of row gradients float32 [B, size] of parameter `name`."""
        self.add(name, direction(name, gradients), out)


class CountSketch(Exact):
    """Adds each coordinate to one bucket with a sign (Charikar, Chen, Farach-Colton 2002; SJLT with one nonzero).

    A run of `width` coordinates uses buckets 0 .. width - 1, rotated by a random shift (ours). Any two coordinates then
    collide with probability at most 1 / width, which is all that the variance depends on. A run is added in two
    contiguous pieces, while scattered buckets would pull the whole sketch through the cache for every parameter.
    """

    def __init__(self, names: list[str], sizes: list[int], width: int, seed: int, device: torch.device):
        self.device, self.width = device, width
        self.shift, self.sign = {}, {}
        for name, size in zip(names, sizes, strict=True):
            rng = hashed_generator(name, seed)
            self.shift[name] = rng.integers(width, size=-(-size // width))
            self.sign[name] = _signs(rng, size).to(device)

    def add(self, name: str, values: torch.Tensor, out: torch.Tensor) -> None:
        out += _rotated_sum(values * self.sign[name], torch.from_numpy(self.shift[name]).to(self.device), self.width)

    def add_direction(self, name: str, gradients: torch.Tensor, direction: Direction, out: torch.Tensor) -> None:
        if direction.update == "sgd":
            super().add_direction(name, gradients, direction, out)
            return
        state = (self.sign[name], direction.momentum[name], direction.variance[name])
        constants = (direction.own(name), direction.square, direction.epsilon)
        if self.device.type == "cpu":
            arrays = (gradients.contiguous().numpy(), self.shift[name], *(x.numpy() for x in state))
            _add_adamw(*arrays, *(np.float32(x) for x in constants), out.numpy())
        else:
            out += _compiled()(
                gradients, torch.from_numpy(self.shift[name]).to(self.device), *state, *constants, self.width
            )


class Rademacher(Exact):
    """Dense signs / sqrt(width), as in TRAK and LESS; generated block by block, so that memory stays bounded."""

    def __init__(self, names: list[str], sizes: list[int], width: int, seed: int, device: torch.device):
        self.device, self.width, self.seed = device, width, seed

    def add(self, name: str, values: torch.Tensor, out: torch.Tensor) -> None:
        for block, part in enumerate(values.split(_BLOCK, 1)):
            signs = _signs(hashed_generator(name, self.seed, block), part.shape[1], self.width).to(self.device)
            out.addmm_(part, signs, alpha=self.width**-0.5)


def make_sketch(kind: str, names: list[str], sizes: list[int], width: int, seed: int, device: torch.device) -> Exact:
    """The projection named `kind` (count, rademacher); width 0 keeps every coordinate."""
    if not width:
        return Exact(names, sizes, device)
    return {"count": CountSketch, "rademacher": Rademacher}[kind](names, sizes, width, seed, device)


def _rotated_sum(signed: torch.Tensor, shift: torch.Tensor, width: int) -> torch.Tensor:
    """Sum of runs of `width` signed coordinates [B, size], each rotated by its shift: [B, width].

    Uses gather instead of scatter, for the same summation order on every device.
    """
    runs = F.pad(signed, (0, len(shift) * width - signed.shape[1])).unflatten(1, (len(shift), width))
    source = (torch.arange(width, device=signed.device) - shift[:, None]) % width
    return runs.gather(2, source.expand_as(runs)).sum(1)


def _adamw_sketch(
    gradients: torch.Tensor,
    shift: torch.Tensor,
    sign: torch.Tensor,
    momentum: torch.Tensor,
    variance: torch.Tensor,
    own: float,
    square: float,
    epsilon: float,
    width: int,
) -> torch.Tensor:
    """The result of `_add_adamw` in tensor operations: float32 [B, width]."""
    moved = (own * gradients + momentum) / ((square * (gradients * gradients) + variance).sqrt() + epsilon)
    return _rotated_sum(sign * moved, shift, width)


@functools.cache
def _compiled() -> Callable[..., torch.Tensor]:
    """`_adamw_sketch` as one kernel per parameter shape, for GPUs; batch sizes vary.

    If compilation fails (no C compiler or Triton), the operations run one by one, and a message says so.
    """
    kernel = torch.compile(_adamw_sketch, dynamic=True)
    works = True

    def run(*args: Any) -> torch.Tensor:
        nonlocal works
        if works:
            try:
                return kernel(*args)
            except (torch._dynamo.exc.TorchDynamoException, RuntimeError) as error:
                if isinstance(error, torch.OutOfMemoryError):
                    raise
                works = False
                said = str(error).strip().partition("\n")[0]
                console.line(f"torch.compile fails here ({said}); sketching continues without it, more slowly")
        return _adamw_sketch(*args)

    return run


@njit(error_model="numpy")
def _add_adamw(
    gradients: np.ndarray,
    shift: np.ndarray,
    sign: np.ndarray,
    momentum: np.ndarray,
    variance: np.ndarray,
    own: float,
    square: float,
    epsilon: float,
    out: np.ndarray,
) -> None:
    """Direction, sign and sum in one pass over gradients [B, size], without temporaries; out float32 [B, width]."""
    size, width = gradients.shape[1], out.shape[1]
    for b in range(gradients.shape[0]):
        for run in range(len(shift)):
            lo, hi = run * width, min((run + 1) * width, size)
            cut = min(hi, lo + width - shift[run])
            for start, stop, at in ((lo, cut, shift[run]), (cut, hi, 0)):
                bucket, g, s = out[b, at : at + stop - start], gradients[b, start:stop], sign[start:stop]
                m, v = momentum[start:stop], variance[start:stop]
                for i in range(len(g)):
                    bucket[i] += s[i] * ((own * g[i] + m[i]) / (np.sqrt(square * (g[i] * g[i]) + v[i]) + epsilon))
