"""Do two processors give the same bytes? Compares each operation that results depend on with emulated processors.

`python benchmarks/portable.py` runs itself under qemu-user (Debian package `qemu-user`), once for each processor of
`EMULATED`, with the package's library pins and with `MKL_CBWR=COMPATIBLE`, and writes
reports/benchmarks/portable.md. It takes a few minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from commits import measured_at
from torch.nn import functional as F

import cadc  # noqa: F401  pins instruction sets before NumPy and torch detect the processor
from cadc.compute import console
from cadc.report.text import markdown

REPORT = Path("reports/benchmarks/portable.md")
EMULATED = {"Haswell": "Intel Haswell", "EPYC-Milan": "AMD EPYC"}  # qemu's names
PINS = ("AVX2", "COMPATIBLE")  # of MKL_CBWR
_POINTWISE = {
    **{name: getattr(torch, name) for name in ("exp", "log", "tanh", "sigmoid", "erf", "rsqrt", "cos")},
    "silu": F.silu,
    "gelu": F.gelu,
    "softmax": lambda x: x.softmax(-1),
    "layer_norm": lambda x: F.layer_norm(x, x.shape[-1:]),
    "mean of squares": lambda x: x.pow(2).mean(-1),
}


def digest(made: torch.Tensor | np.ndarray) -> str:
    """The first digits of a hash of an array's bytes."""
    return hashlib.sha256(np.ascontiguousarray(made).tobytes()).hexdigest()[:12]


def of_torch() -> dict[str, str]:
    """Operations of training and gradients, with the mini base's sizes."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    rows, weights = draw(200, 96), draw(96, 256)
    positive = rows.abs()
    made = {f"torch {name}": function(positive) for name, function in _POINTWISE.items()}
    made |= {
        "torch product, 200 x 96 x 256": rows @ weights,
        "torch product, 33 x 96 x 5": rows[:33] @ weights[:, :5],
        "torch product, 64 x 1000 x 64": draw(64, 1000) @ draw(1000, 64),
        "torch product with a vector": rows @ draw(96),
        "torch product, batched": torch.bmm(draw(6, 50, 24), draw(6, 24, 70)),
        "torch convolution": F.conv2d(draw(2, 3, 24, 24), draw(64, 3, 8, 8), stride=8),
        "torch attention": F.scaled_dot_product_attention(*(draw(2, 4, 60, 24) for _ in range(3)), is_causal=True),
        "torch normal draws": draw(1000),
        "torch eigenvalues": torch.linalg.eigh(rows.T @ rows)[0],
    }
    inputs, head = draw(50, 96).requires_grad_(), draw(256, 96).requires_grad_()
    F.cross_entropy(F.linear(inputs, head), torch.arange(50)).backward()
    made |= {"torch gradient of inputs": inputs.grad, "torch gradient of weights": head.grad}
    moved = torch.nn.Parameter(draw(1000))
    optimizer = torch.optim.AdamW([moved], 1e-3, fused=True)
    for _ in range(3):
        moved.grad = draw(1000)
        optimizer.step()
    made["torch AdamW, three steps"] = moved
    return {name: digest(tensor.detach()) for name, tensor in made.items()}


def of_numpy() -> dict[str, str]:
    """Operations of features, selectors and statistics."""
    rng = np.random.default_rng(0)
    rows, weights = rng.standard_normal((200, 96)), rng.standard_normal((96, 256))
    made = {}
    for name, kind in (("float32", np.float32), ("float64", np.float64)):
        a, b = rows.astype(kind), weights.astype(kind)
        made |= {
            f"NumPy product, {name}": a @ b,
            f"NumPy exp, {name}": np.exp(a),
            f"NumPy log, {name}": np.log(np.abs(a)),
            f"NumPy power, {name}": np.abs(a) ** 1.3,
            f"NumPy deviations, {name}": a.std(0),
            f"NumPy singular values, {name}": np.linalg.svd(a)[1],
            f"NumPy eigenvalues, {name}": np.linalg.eigh(a.T @ a)[0],
        }
    return {name: digest(array) for name, array in made.items()}


def this_processor() -> str:
    """The model name of this machine's processor, as Linux states it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unnamed")


def run(pin: str, processor: str | None = None) -> dict[str, str]:
    """Digests of all operations on an emulated processor, or on this one."""
    front = [shutil.which("qemu-x86_64"), "-cpu", processor] if processor else []
    command = [*front, sys.executable, __file__, "--digests"]
    console.line(f"{processor or 'this processor'}, MKL_CBWR={pin}")
    made = subprocess.run(command, env=os.environ | {"MKL_CBWR": pin}, capture_output=True, text=True)
    if made.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: {made.stderr[-2000:]}")
    return json.loads(made.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description="Do two processors give the same bytes?")
    parser.add_argument("--digests", action="store_true", help="only print this processor's digests")
    torch.set_num_threads(1)
    if parser.parse_args().digests:
        print(json.dumps(of_torch() | of_numpy()))
        return
    if not shutil.which("qemu-x86_64"):
        raise SystemExit("qemu-x86_64 is not installed: apt-get install qemu-user")
    here = {pin: run(pin) for pin in PINS}
    there = {(pin, name): run(pin, name) for pin in PINS for name in EMULATED}
    header = ["operation", *(f"{EMULATED[name]}, {pin}" for pin, name in there)]
    body = [
        [name, *("same" if made[name] == here[pin][name] else "differs" for (pin, _), made in there.items())]
        for name in here[PINS[0]]
    ]
    REPORT.write_text(
        "# The same bytes on another processor\n\nDoes each operation give the same bytes on an emulated processor as "
        f"on this machine's ({this_processor()})? MKL is pinned to AVX2, as the package does, or to code that all "
        "x86-64 processors share (COMPATIBLE). Made by `python benchmarks/portable.py`.\n\n"
        + f"{measured_at()}\n\n"
        + markdown(header, body)
    )


if __name__ == "__main__":
    main()
