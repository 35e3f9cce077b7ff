"""CountSketch of the concatenated LoRA gradient: each coordinate goes to one bucket with one sign.

Bucket and sign come from a hash of (parameter name, seed), so the sketch is the same on every device, thread count and
batch composition. Signs have mean zero, hence E<Px, Py> = <x, y> (Charikar, Chen, Farach-Colton 2002).
"""

from __future__ import annotations

import hashlib
import warnings

import numpy as np
import torch


def hashed_generator(name: str, seed: int) -> np.random.Generator:
    """A counter-based generator (Philox) keyed by a parameter's name and a seed."""
    key = hashlib.blake2b(f"{name}\0{seed}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(key, "<u8")))


class CountSketch:
    """Projects float32 [B, sum(sizes)] to [B, width]; `width=0` keeps everything, exactly."""

    def __init__(self, names: list[str], sizes: list[int], width: int, seed: int, device: torch.device):
        self.width = width or sum(sizes)
        self.matrix = None
        if width:
            draws = [
                (rng.integers(width, size=size), rng.integers(2, size=size))
                for rng, size in ((hashed_generator(n, seed), s) for n, s in zip(names, sizes, strict=True))
            ]
            buckets = torch.from_numpy(np.concatenate([bucket for bucket, _ in draws]))
            signs = torch.from_numpy(np.concatenate([sign for _, sign in draws])).float() * 2 - 1
            order = torch.argsort(buckets, stable=True)
            rows = torch.zeros(width + 1, dtype=torch.long)
            rows[1:] = torch.bincount(buckets, minlength=width).cumsum(0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # "sparse CSR is in beta": the product is tested against a loop
                self.matrix = torch.sparse_csr_tensor(rows, order, signs[order], (width, sum(sizes)), check_invariants=True).to(device)

    def __call__(self, gradients: torch.Tensor) -> torch.Tensor:
        """float32 [B, sum(sizes)] -> float32 [B, width]."""
        return gradients if self.matrix is None else (self.matrix @ gradients.T).T
