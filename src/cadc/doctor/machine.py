"""What this machine may lack for a run: packages, disk, GPU, memory. Each check says what to do."""

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
SPARING = 0.85  # of what is there, at most: estimates are good to some percent


def package_findings(params: Params) -> list[Finding]:
    """What the profile imports beyond the lock."""
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
    """Whether this disk holds what the run will leave, with 15% to spare."""
    free = shutil.disk_usage(".").free
    fits = wanted <= SPARING * free
    return Finding(
        "disk",
        fits,
        f"{free / _GB:,.0f} GB free, about {wanted / _GB:,.0f} GB needed, and 15% to spare"
        + ("" if fits else "; link artifacts/ and .dvc/cache elsewhere"),
    )


#: What makes a stage of this kind smaller, by the name of the stage without its variant.
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
        return Finding("GPU", True, "none; the CPU will do")
    if params.compute.isa == "avx2":
        return Finding("GPU", False, f"none; {needed}")
    if computes_in_bfloat16():
        return Finding("GPU", True, "none; the CPU will do, it multiplies in bfloat16")
    lacks = "none, and the CPU has neither avx512_bf16 nor amx_bf16"
    return Finding("GPU", False, f"{lacks}; {needed}, or set model.dtype=float32, which is faster here")


def gpu_finding(params: Params, largest: Work) -> Finding:
    """Whether a GPU is there, and holds what the largest stage wants with 15% to spare; a model may go without in a
    dtype that the CPU multiplies in."""
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
        "and 15% to spare" + ("" if fits else f"; lower {smaller}"),
    )


def host_finding(wanted: float) -> Finding:
    """Whether the machine has the memory that the largest stage takes with all its processes."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    fits = wanted <= SPARING * memory
    text = f"{memory / _GB:.0f} GB, about {wanted / _GB:.0f} GB needed, and 15% to spare"
    return Finding(
        "memory of the host",
        fits,
        text + ("" if fits else "; set CADC_WORKERS to fewer processes, CADC_LOADERS to fewer loaders of each"),
    )
