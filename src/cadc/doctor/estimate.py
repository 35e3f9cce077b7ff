"""What a run takes, stage by stage: operations, memory and disk from shapes alone (ours), before anything is
downloaded.

Good to a factor of two. A forward pass takes 2 operations a parameter and token. A training step of LoRA takes 4
(weights of the base get no gradient), and 6 with gradient checkpointing, which gradients of single rows do not use.
Activations are 34 bytes a token, layer and unit of width in 16 bits (Korthikanti et al. 2022, eq. 2, without
attention's own); checkpointing keeps the 2 of a layer's input. Logits and their gradient are in float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cadc.config.arms import Arm
from cadc.config.params import Optimizer, Params
from cadc.doctor import full_tuning
from cadc.doctor.published import Size
from cadc.training.schedule import epochs_for

CORE = 20e9  # operations a second of one CPU core in 32 bits (ours: what fine-tuning the mini model sustains)
#: Dense 16-bit tensor operations a second of a GPU (its data sheet), and the share of them that training sustains
#: (ours: what LoRA runs report).
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
REFERENCE = "A100"  # the GPU that hours are given for on a machine without one

_CLIP_L = (304e6, 577, 768)  # parameters, tokens of a picture and width of CLIP ViT-L/14 at 336 pixels


@dataclass(frozen=True)
class Load:
    """The amount of work: pool rows, tokens a row, probe rows and their subtasks, questions scored a run."""

    rows: int
    tokens: float
    probe_rows: int
    subtasks: int
    questions: int


@dataclass(frozen=True)
class Work:
    """One stage: its rows and operations, the peak memory of a GPU and what it leaves on disk, in bytes."""

    stage: str
    rows: float
    flops: float
    memory: float = 0.0
    disk: float = 0.0


def training_memory(size: Size, params: Params, tokens: float, checkpointing: bool) -> float:
    """Bytes of one training step over `tokens` tokens: weights, LoRA with gradient and AdamW state, activations,
    logits.
    """
    a_weight = 2 if params.model.dtype == "bfloat16" else 4
    kept = 2 if checkpointing else 34 * a_weight / 2
    activations = tokens * size.width * (kept * size.layers + 34 * a_weight / 2)
    return size.parameters * a_weight + 16 * size.lora + activations + 8 * tokens * size.vocabulary


def _tower(path: str | None) -> tuple[float, int, int]:
    """Parameters, tokens of a picture and width of the contrastive tower; CLIP's where that is not at hand, or is the
    model itself.
    """
    weights = list(Path(path or "").glob("*.safetensors")) if path and Path(path).is_dir() else []
    return (sum(file.stat().st_size for file in weights) / 4, 9, 64) if weights else _CLIP_L


def works(params: Params, arms: dict[str, Arm], size: Size, load: Load) -> list[Work]:
    """The stages of `dvc repro` with these arms that take more than minutes, in order.

    The report reads capabilities, so all that leads to them runs whatever the arms.
    """

    def a_step(size: Size, checkpointing: bool) -> float:
        return (6 if checkpointing else 4) * size.parameters * load.tokens

    checkpointing, step, forward = (
        params.model.gradient_checkpointing,
        a_step(size, params.model.gradient_checkpointing),
        2 * size.parameters * load.tokens,
    )
    direction = a_step(size, False)  # gradients of single rows are read by hooks, without checkpointing
    a_weight = 2 if params.model.dtype == "bfloat16" else 4
    snapshots, n = len(params.proxy.snapshots_at), load.rows

    def training(settings: Optimizer, size: Size) -> float:
        return training_memory(size, params, (settings.micro_batch or settings.batch_size) * load.tokens, checkpointing)

    def reading(size: Size) -> float:
        return size.parameters * a_weight + 34 * a_weight / 2 * params.capture.batch_tokens * size.width

    gradients = (
        training_memory(size, params, max(params.capture.batch_tokens, load.tokens), False)
        + 4 * load.subtasks * params.capture.projection
    )
    signals = {arm.signal.partition("/")[0] for arm in arms.values()}
    n_runs = len(params.proxy.seeds)
    proxied, probed = n * params.proxy.pool_fraction * params.proxy.epochs, load.probe_rows * snapshots
    parameters, patches, width = _tower(params.embed.tower)
    embedding = n * 2 * parameters * patches
    watching = 4 * parameters + 128 * 34 * 2 * patches * width
    made = [Work("prepare", n, 0.0, 0.0, n * (2000.0 if not params.pool.embed_images else 6000.0))]
    if (params.clean.pool, params.clean.evidence) == ("cleaned", "crossfit"):
        how, draws = params.crossfit.matching, params.crossfit.draws
        trained = (
            n * (params.crossfit.folds - 1) * (params.crossfit.epochs + 2 * how.members * how.epochs)
        )  # each row with two pictures
        judged = n * (2 + draws + how.members * (1 + draws))
        made.append(
            Work(
                "crossfit",
                trained + judged,
                trained * step + judged * forward,
                max(training(params.proxy, size), reading(size)),
                0.0,
            )
        )
    made += [
        Work("embed", n, embedding, watching, n * 4 * (2 * width + 384)),
        Work(
            "proxy",
            n_runs * proxied,
            n_runs * proxied * step,
            training(params.proxy, size),
            n_runs * snapshots * 12 * size.lora,
        ),
    ]
    if "views" in signals:
        made.append(Work("views", n, embedding * load.probe_rows / max(n, 1), watching, n * 4 * (width + 384)))
    if "score_net" in signals:
        learnt = n * params.score_net.epochs
        made.append(Work("score_net", learnt, learnt * step, training(params.proxy, size), 4 * n))
    if "features" in signals:
        disk = n * (params.features.layers * 2 * size.width * 2 + 4 * size.width)
        made.append(Work("features", n * snapshots, n * snapshots * forward, reading(size), disk))
    disk = 12 * load.subtasks * params.capture.projection * snapshots + n_runs * 4 * probed * load.probe_rows
    made.append(Work("capture", n_runs * probed, n_runs * probed * direction, gradients, disk))
    made.append(
        Work("attribute", n * snapshots, n * snapshots * direction, gradients, 4 * n * snapshots * (load.subtasks + 3))
    )
    if "matching" in signals:
        disk = n * (12 * snapshots * load.subtasks + 2 * params.match.keep_width)
        made.append(Work("match", n * snapshots, n * snapshots * direction, gradients, disk))
    asking = 2 * size.parameters * load.tokens
    for name, arm in arms.items():
        rows = n * arm.budget * epochs_for(arm.budget, params.finetune.epochs) * len(arm.seeds)
        disk, tuning, work = len(arm.seeds) * 4 * size.lora, training(params.finetune, size), rows * step
        if size.full:
            disk, tuning = full_tuning.disk(size, a_weight, len(arm.seeds)), full_tuning.memory(size, tuning, a_weight)
            work += rows * full_tuning.extra_operations(size, load.tokens)
        made.append(Work(f"finetune@{name}", rows, work, tuning, disk))
        asked = load.questions * len(arm.seeds)
        made.append(Work(f"score@{name}", asked, asked * asking, reading(size), asked * 200.0))
    return made
