"""What a run takes, stage by stage: operations, memory and disk from shapes alone (ours). Good to a factor of two, before anything is downloaded.

A forward pass takes 2 operations a parameter and token, a training step of LoRA 4 (weights of the base get no gradient) and 6 with gradient
checkpointing. Activations are 34 bytes a token, layer and unit of width in 16 bits (Korthikanti et al. 2022, eq. 2, attention's own apart), of which
checkpointing keeps the 2 of a layer's input; the logits and their gradient are held in float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cadc.doctor.published import Size
from cadc.params import Optimizer, Params
from cadc.training.schedule import epochs_for

CORE = 20e9  # operations a second of one CPU core in 32 bits (ours: what fine-tuning the mini model sustains)
#: Dense 16-bit tensor operations a second of a GPU (its data sheet), and the share of them that training sustains (ours: what LoRA runs report).
PEAK = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "A6000": 155e12, "4090": 165e12, "V100": 125e12, "T4": 65e12}
SUSTAINED = 0.35
REFERENCE = "A100"  # what hours are told for on a machine without a GPU

_CLIP_L = (304e6, 577, 768)  # parameters, tokens of a picture and width of CLIP ViT-L/14 at 336 pixels


@dataclass(frozen=True)
class Load:
    """What is to be worked through: pool rows, tokens a row, probe rows and their subtasks, questions scored a run."""

    rows: int
    tokens: float
    probe_rows: int
    subtasks: int
    questions: int


@dataclass(frozen=True)
class Work:
    """One stage: rows it goes through, its operations, the peak memory of a GPU and what it leaves on disk, in bytes."""

    stage: str
    rows: float
    flops: float
    memory: float = 0.0
    disk: float = 0.0


def training_memory(size: Size, params: Params, tokens: float) -> float:
    """Bytes of one training step over `tokens` tokens: weights, LoRA with gradient and AdamW state, activations, logits."""
    a_weight = 2 if params.model.dtype == "bfloat16" else 4
    kept = 2 if params.model.gradient_checkpointing else 34 * a_weight / 2
    activations = tokens * size.width * (kept * size.layers + 34 * a_weight / 2)
    return size.parameters * a_weight + 16 * size.lora + activations + 8 * tokens * size.vocabulary


def _tower(path: str | None) -> tuple[float, int, int]:
    """Parameters, tokens of a picture and width of the contrastive tower; of one that is not at hand, and of the model itself, CLIP's stand for it."""
    weights = list(Path(path or "").glob("*.safetensors")) if path and Path(path).is_dir() else []
    return (sum(file.stat().st_size for file in weights) / 4, 9, 64) if weights else _CLIP_L


def works(params: Params, size: Size, load: Load) -> list[Work]:
    """Every stage of `dvc repro report` under `params`, in order."""
    a_step = (6 if params.model.gradient_checkpointing else 4) * size.parameters * load.tokens
    forward = 2 * size.parameters * load.tokens
    a_weight = 2 if params.model.dtype == "bfloat16" else 4
    snapshots, n = len(params.proxy.snapshots_at), load.rows

    def training(settings: Optimizer) -> float:
        return training_memory(size, params, (settings.micro_batch or settings.batch_size) * load.tokens)

    gradients = training_memory(size, params, max(params.capture.batch_tokens, load.tokens)) + 4 * load.subtasks * params.capture.projection
    reading = size.parameters * a_weight + 34 * a_weight / 2 * params.capture.batch_tokens * size.width
    signals = {method.signal for method in params.methods.values()}
    proxied = n * params.proxy.pool_fraction * params.proxy.epochs
    made = [Work("prepare", n, 0.0, 0.0, n * (2000.0 if not params.pool.embed_images else 6000.0))]
    if signals - {"pool"}:
        parameters, patches, width = _tower(params.embed.tower)
        made.append(Work("embed", n, n * 2 * parameters * patches, 4 * parameters + 128 * 34 * 2 * patches * width, n * 4 * (2 * width + 384)))
    if signals - {"pool", "embeddings", "views", "score_net"}:
        made.append(Work("proxy_train", proxied, proxied * a_step, training(params.proxy), snapshots * 12 * size.lora))
    if "features" in signals:
        disk = n * (params.features.layers * 2 * size.width * 2 + 4 * size.width)
        made.append(Work("features", n * snapshots, n * snapshots * forward, reading, disk))
    if signals & {"capabilities", "influence", "matching"}:
        made.append(
            Work(
                "capture",
                load.probe_rows * snapshots,
                load.probe_rows * snapshots * a_step,
                gradients,
                12 * load.subtasks * params.capture.projection * snapshots,
            )
        )
    if "capabilities" in signals and params.replicate.seeds:
        n_replicas, directions = len(params.replicate.seeds), load.probe_rows * snapshots
        flops, disk = n_replicas * (proxied + directions) * a_step, n_replicas * 4 * directions * load.probe_rows
        made.append(Work("replicate", n_replicas * (proxied + directions), flops, max(training(params.proxy), gradients), disk))
    if signals & {"capabilities", "influence"}:
        made.append(Work("attribute", n * snapshots, n * snapshots * a_step, gradients, 4 * n * snapshots * (load.subtasks + 3)))
    if "matching" in signals:
        made.append(Work("match", n * snapshots, n * snapshots * a_step, gradients, n * (12 * snapshots * load.subtasks + 2 * params.match.keep_width)))
    for name in params.methods:
        budgets = [1.0] if name == "full" else params.curate.budget
        rows = sum(n * budget * epochs_for(budget, params.finetune.epochs) for budget in budgets) * len(params.seeds)
        runs = len(budgets) * len(params.seeds)
        made.append(Work(f"finetune@{name}", rows, rows * a_step, training(params.finetune), runs * 4 * size.lora))
        made.append(Work(f"evaluate@{name}", load.questions * runs, load.questions * runs * forward, reading, load.questions * runs * 200.0))
    return made
