"""Checks that this machine has the packages, disk, GPU and memory for a run. Each finding says what to do."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import torch

from cadc.config.params import Params
from cadc.doctor.checks import Finding
from cadc.doctor.estimate import Work

_GB = 1e9
SPARING = 0.85  # usable share of a resource, because estimates are off by several percent


def package_findings(params: Params) -> list[Finding]:
    """Packages that the profile needs beyond the lock file."""
    found = []
    if params.model.attention == "flash_attention_2":
        there = importlib.util.find_spec("flash_attn") is not None
        found.append(
            Finding(
                "package flash-attn",
                there,
                "installed" if there else ".uv/bin/uv pip install flash-attn, or -S model.attention=sdpa",
            )
        )
    return found


def disk_finding(wanted: float) -> Finding:
    """Whether the disk holds the run's outputs, with 15% to spare."""
    free = shutil.disk_usage(".").free
    fits = wanted <= SPARING * free
    return Finding(
        "disk",
        fits,
        f"{free / _GB:,.0f} GB free, about {wanted / _GB:,.0f} GB needed, with 15% to spare"
        + ("" if fits else "; link artifacts/ and .dvc/cache elsewhere"),
    )


#: How to reduce the memory of a stage, by its name without the variant.
_SMALLER = {
    "finetune": "finetune.micro_batch, or set model.gradient_checkpointing",
    "proxy": "proxy.micro_batch, or set model.gradient_checkpointing",
    "score_net": "proxy.micro_batch, or set model.gradient_checkpointing",
    "crossfit": "proxy.micro_batch or capture.batch_tokens, or set model.gradient_checkpointing",
    "score": "evaluate.batch_size",
    "embed": "the size of embed.tower",
    "views": "the size of embed.tower",
}


def computes_in_bfloat16(cpu: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this machine's processor multiplies in bfloat16; where it does not, float32 is faster."""
    flags = cpu.read_text().split() if cpu.exists() else []
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags)


def _without_gpu(params: Params, needed: str) -> Finding:
    """float32 runs on any processor, bfloat16 on one that multiplies in it."""
    if params.model.dtype == "float32":
        return Finding("GPU", True, "none; the CPU is enough")
    if params.compute.isa == "avx2":
        return Finding("GPU", False, f"none; {needed}")
    if computes_in_bfloat16():
        return Finding("GPU", True, "none; the CPU is enough, it multiplies in bfloat16")
    lacks = "none, and the CPU has neither avx512_bf16 nor amx_bf16"
    return Finding("GPU", False, f"{lacks}; {needed}, or set model.dtype=float32, which is faster here")


def gpu_finding(params: Params, largest: Work) -> Finding:
    """Whether there is a GPU with enough memory for the largest stage and 15% to spare. A model can run on a CPU that
    multiplies in its dtype."""
    needed = f"about {largest.memory / _GB:.0f} GB needed (by {largest.stage})"
    if not torch.cuda.is_available():
        return _without_gpu(params, needed)
    memory = min(torch.cuda.get_device_properties(i).total_memory for i in range(torch.cuda.device_count()))
    fits = largest.memory <= SPARING * memory
    smaller = _SMALLER.get(largest.stage.partition("@")[0], "capture.batch_tokens")
    return Finding(
        "GPU",
        fits,
        f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}, {memory / _GB:.0f} GB, {needed}, "
        "with 15% to spare" + ("" if fits else f"; lower {smaller}"),
    )


def host_finding(wanted: float) -> Finding:
    """Whether the host has enough memory for the largest stage with all its processes."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    fits = wanted <= SPARING * memory
    text = f"{memory / _GB:.0f} GB, about {wanted / _GB:.0f} GB needed, with 15% to spare"
    return Finding(
        "memory of the host",
        fits,
        text + ("" if fits else "; set CADC_WORKERS to fewer processes, or CADC_LOADERS to fewer loaders per process"),
    )
