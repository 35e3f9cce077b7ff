"""Estimate the cost of a run per stage (ours): operations, memory and disk, from shapes alone, before any download.

Hours are accurate to a factor of two. A forward pass takes 2 operations per parameter and token (in the tower, per
parameter and patch); attention takes 4 per pair of positions and unit of width. A LoRA training step takes twice that,
because base weights get no gradient, and three times with gradient checkpointing, which per-row gradients don't use.
The frozen tower takes only its forward pass. Memory: see `memory`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cadc.compute.launch import n_workers
from cadc.config.arms import Arm
from cadc.config.params import Optimizer, Params
from cadc.doctor import full_tuning
from cadc.doctor.memory import CONTEXT, forward_memory, gradient_memory, training_memory
from cadc.doctor.published import Size
from cadc.model.encode import KEPT_BYTES
from cadc.model.stream import AHEAD, n_loaders
from cadc.training.schedule import epochs_for

CORE = 20e9  # float32 operations per second and CPU core (ours: sustained when fine-tuning the mini model)
#: Dense 16-bit tensor operations per second of a GPU (data sheet), and the share that training sustains (ours: as
#: reported for LoRA runs).
PEAK = {
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "A6000": 155e12,
    "4090": 165e12,
    "V100": 125e12,
    "T4": 65e12,
}
SUSTAINED = 0.35
REFERENCE = "A100"  # the GPU used for estimates on a machine without one

_PROGRAMS = 1.6e9  # bytes of a process with all imports and a pool (ours, measured on the mini run)
_PATCHES_AT_ONCE = 1024  # patches per tile of a tiling tower; a tower without tiles sees about as many
_CLIP_L = (304e6, 577, 768)  # parameters, tokens per image and width of CLIP ViT-L/14 at 336 pixels


@dataclass(frozen=True)
class Load:
    """The amount of work: pool rows, tokens per row, target rows and their subtasks, questions scored per run."""

    rows: int
    tokens: float
    probe_rows: int
    subtasks: int
    questions: int


@dataclass(frozen=True)
class Work:
    """One stage: its rows and operations; peak bytes on a device, on disk, and per process on the host; `parts` that
    can run in parallel, one per process.
    """

    stage: str
    rows: float
    flops: float
    memory: float = 0.0
    disk: float = 0.0
    host: float = 0.0
    parts: int = 1

    def processes(self, workers: int) -> int:
        """Number of processes of this stage on a machine with `workers` GPUs or cores."""
        return max(1, min(self.parts, workers))

    def seconds(self, rate: float, workers: int) -> float:
        """Run time on `workers` GPUs or cores with `rate` operations per second each: that of the busiest worker."""
        return self.flops / rate * math.ceil(self.parts / self.processes(workers)) / self.parts


def row_flops(size: Size, tokens: float, times: int = 1) -> float:
    """Operations for a row of `tokens` tokens with one image, counted as `times` forward passes of language model,
    connector and LoRA. The tower counts once, or `times` if it has LoRA."""
    text = size.parameters - size.tower - size.looked_up + size.lora - size.in_tower
    of_text = 2 * text * tokens + 4 * size.layers * size.heads * tokens**2
    side = size.picture.patches / max(1, round(size.picture.patches / _PATCHES_AT_ONCE))
    of_tower = 2.0 * (size.tower + size.in_tower) * size.picture.patches
    of_tower += 4 * size.tower_layers * size.tower_width * size.picture.patches * side
    return times * of_text + (times if size.in_tower else 1) * of_tower


def row_bytes(size: Size, tokens: float) -> float:
    """Bytes of an encoded row: float32 pixels with a mask byte per pixel, tokens and labels."""
    return size.picture.pixels * (4 + 1 / 3) + 24 * tokens


def host_memory(size: Size, a_weight: int, kept: float, a_row: float, snapshots: int = 0) -> float:
    """Bytes of one process: programs, the base model while loading, `kept` bytes of encoded rows, what loaders
    prefetch, and `snapshots` with their moments."""
    ready = n_loaders() * (_PROGRAMS / 4 + AHEAD * a_row)
    return _PROGRAMS + size.parameters * a_weight + kept + ready + snapshots * 12 * size.lora


def _tower(path: str | None) -> tuple[float, int, int]:
    """Parameters, tokens per image and width of the contrastive tower; CLIP's if it is not on this machine, or is the
    model's own.
    """
    weights = list(Path(path or "").glob("*.safetensors")) if path and Path(path).is_dir() else []
    return (sum(file.stat().st_size for file in weights) / 4, 9, 64) if weights else _CLIP_L


def works(params: Params, arms: dict[str, Arm], size: Size, load: Load) -> list[Work]:
    """The stages of `dvc repro` with these arms that take more than a few minutes, in order.

    The report reads capabilities, so the stages behind them run for any arms.
    """
    checkpointing, capture = params.model.gradient_checkpointing, params.capture
    a_weight = 2 if params.model.dtype == "bfloat16" else 4
    on_gpu = CONTEXT if params.model.dtype == "bfloat16" else 0.0
    step, forward, direction = (row_flops(size, load.tokens, n) for n in (3 if checkpointing else 2, 1, 2))
    direction += 2 * size.lora * load.tokens  # per-row products
    snapshots, n = len(params.proxy.snapshots_at), load.rows
    batch, learnt = max(capture.batch_tokens, load.tokens), max(0.0, 1 - size.picture.tokens / load.tokens)
    a_row = row_bytes(size, load.tokens)

    def training(settings: Optimizer) -> dict[str, Any]:
        tokens = (settings.micro_batch or settings.batch_size) * load.tokens
        kept = (settings.batch_size + (settings.micro_batch or settings.batch_size)) * a_row
        return {
            "memory": on_gpu + training_memory(size, a_weight, tokens, load.tokens, learnt, checkpointing),
            "host": host_memory(size, a_weight, kept, a_row),
        }

    stretch = min(2 * KEPT_BYTES, 2 * capture.shard_rows * a_row) + capture.batch_tokens / load.tokens * a_row
    reading = {
        "memory": on_gpu + forward_memory(size, a_weight, batch, load.tokens),
        "host": host_memory(size, a_weight, stretch, a_row, snapshots),
    }
    gradients = {
        "memory": on_gpu
        + gradient_memory(size, a_weight, batch, load.tokens)
        + 4 * load.subtasks * capture.projection * snapshots,
        "host": host_memory(size, a_weight, stretch, a_row, snapshots),
    }
    captured = gradients | {"host": gradients["host"] + 8 * load.probe_rows * capture.projection * snapshots}
    asking = {
        "memory": on_gpu
        + forward_memory(
            size, a_weight, params.evaluate.batch_size * load.tokens, load.tokens, 1 / load.tokens, cached=True
        ),
        "host": host_memory(size, a_weight, min(KEPT_BYTES, load.questions * a_row), a_row),
    }
    signals = {read.partition("/")[0] for arm in arms.values() for read in (arm.signal, arm.curate.by)}
    n_runs, shards = len(params.proxy.seeds), max(1, math.ceil(n / capture.shard_rows))
    proxied, probed = n * params.proxy.pool_fraction * params.proxy.epochs, load.probe_rows * snapshots
    parameters, patches, width = _tower(params.embed.tower)
    embedding = n * 2 * parameters * patches
    watching: dict[str, Any] = {
        "memory": 4 * parameters + 128 * 34 * 2 * patches * width,
        "host": _PROGRAMS + 4 * parameters,
    }
    made = [Work("prepare", n, 0.0, 0.0, n * (2000.0 if not params.pool.embed_images else 6000.0), _PROGRAMS)]
    if (params.clean.pool, params.clean.evidence) == ("cleaned", "crossfit"):
        how, draws = params.crossfit.matching, params.crossfit.draws
        trained = (
            n * (params.crossfit.folds - 1) * (params.crossfit.epochs + 2 * how.members * how.epochs)
        )  # two images per row
        judged = n * (2 + draws + how.members * (1 + draws))
        larger = {key: max(training(params.proxy)[key], reading[key]) for key in reading}
        flops = trained * step + judged * forward
        made.append(Work("crossfit", trained + judged, flops, **larger, parts=params.crossfit.folds))
    embedded, proxies = n * 4 * (2 * width + 384), n_runs * snapshots * 12 * size.lora
    made += [
        Work("embed", n, embedding, disk=embedded, parts=max(1, math.ceil(n / 2000)), **watching),
        Work("proxy", n_runs * proxied, n_runs * proxied * step, disk=proxies, parts=n_runs, **training(params.proxy)),
    ]
    if "views" in signals:
        made.append(Work("views", n, embedding * load.probe_rows / max(n, 1), disk=n * 4 * (width + 384), **watching))
    if "score_net" in signals:
        learning = n * params.score_net.epochs
        made.append(Work("score_net", learning, learning * step, disk=4 * n, **training(params.proxy)))
    if "features" in signals:
        disk = n * (params.features.layers * 2 * size.width * 2 + 4 * size.width)
        made.append(Work("features", n * snapshots, n * snapshots * forward, disk=disk, parts=shards, **reading))
    if "contrasts" in signals:
        disk = n * 4 * (2 * width + 384 + size.width + 5 * snapshots)
        passes = n * (snapshots + 3)
        made.append(Work("contrast", passes, passes * forward, disk=disk, parts=shards, **reading))
    disk = 12 * load.subtasks * capture.projection * snapshots + n_runs * 4 * probed * load.probe_rows
    made.append(Work("capture", n_runs * probed, n_runs * probed * direction, disk=disk, parts=n_runs, **captured))
    disk = 4 * n * snapshots * (load.subtasks + 3 + capture.keep_sketches * capture.projection)
    made.append(Work("attribute", n * snapshots, n * snapshots * direction, disk=disk, parts=shards, **gradients))
    if "matching" in signals:
        disk = n * (12 * snapshots * load.subtasks + 2 * params.match.keep_width)
        made.append(Work("match", n * snapshots, n * snapshots * direction, disk=disk, parts=shards, **gradients))
    for name, arm in arms.items():
        rows, runs = n * arm.budget * epochs_for(arm.budget, params.finetune.epochs), len(arm.seeds)
        tuned, a_step = training(params.finetune) | {"disk": runs * 4 * size.lora}, step
        if size.full:
            tuned |= full_tuning.takes(size, tuned, a_weight, runs)
            a_step += full_tuning.extra_operations(size, load.tokens)
        made.append(Work(f"finetune@{name}", runs * rows, runs * rows * a_step, parts=runs, **tuned))
        asked = load.questions * runs
        made.append(Work(f"score@{name}", asked, asked * forward, disk=asked * 200.0, parts=runs, **asking))
    return made


def speed(params: Params) -> tuple[float, int, str]:
    """(operations per second of one GPU or core, their number, a description) for this machine, or for the reference
    GPU if the profile needs one and there is none."""
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name(0)
        if peak := next((peak for part, peak in PEAK.items() if part in name), None):
            return SUSTAINED * peak, n_workers(), f"{torch.cuda.device_count()} x {name} at {SUSTAINED:.0%} of its peak"
    if params.model.dtype == "float32":
        return CORE, n_workers(), f"{n_workers()} CPU cores at {CORE / 1e9:.0f} GFLOP/s each"
    return SUSTAINED * PEAK[REFERENCE], 1, f"one {REFERENCE} at {SUSTAINED:.0%} of its peak"


def host_of(made: list[Work], workers: int) -> float:
    """Bytes of host memory of the largest stage, over all its processes."""
    return max(work.processes(workers) * work.host for work in made)
