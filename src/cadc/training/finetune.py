"""Fine-tune on the rows of a schedule, in its order: a plain loop with optional snapshots of weights and AdamW state.

Trained parameters (`trainable`: LoRA and fully trained layers, or the model's own weights) are kept in float32
meanwhile.

A Trainer's bookkeeping would take a fifth of the time on a model this small, and it shuffles by default. A batch may be
split into micro-batches, in one process or several (training/parallel.py). Its loss is the mean over all of its answer
tokens, however it is split, unless `loss_mean` is LLaVA's. Dropout masks depend only on seed, step and micro-batch:
they do not change with the number of processes or after a resume, only with another split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from peft import PeftModel
from torch.nn import functional as F
from transformers import PreTrainedModel

from cadc.compute import console
from cadc.compute.launch import team
from cadc.config.errors import InputError
from cadc.config.params import Model, Optimizer
from cadc.model.batches import collate, model_inputs, pack
from cadc.model.encode import IGNORE, EncodedRows
from cadc.model.folding import folded
from cadc.model.load import trainable
from cadc.model.stream import ahead
from cadc.training.optimizer import clip, in_float32, parameter_groups, seed_dropout, started
from cadc.training.parallel import add_up_gradients, shard_base, shares, total

if TYPE_CHECKING:
    from cadc.training.checkpoint import Checkpoint
    from cadc.training.schedule import Schedule

Snapshot = Callable[[int, torch.optim.Optimizer, float], None]


def learnt(labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions that predict a token with loss, bool [B, L], and these tokens concatenated, int64 [n]; labels [B, L].

    As `logits_to_keep`, the mask limits logits to these positions; most others hold images, questions and padding.
    """
    targets = F.pad(labels, (0, 1), value=IGNORE)[:, 1:]  # position i predicts token i + 1
    keep = targets != IGNORE
    return keep, targets[keep]


def _stream(
    rows: EncodedRows, schedule: Schedule, settings: Optimizer, rank: int, world: int, done: int
) -> Iterator[dict[str, Any]]:
    """The encoded rows that process `rank` needs from step `done` on, in order. Rows are encoded ahead as far as the
    schedule is decided: up to its next mark once training has reached the step before."""
    size, marks = settings.batch_size, getattr(schedule, "marks", ())
    decided = [done, *sorted({mark // size for mark in marks if mark // size > done}), -(-len(schedule) // size)]
    for begin, end in pairwise(decided):
        starts = range(begin * size, end * size, size)
        steps = (shares(schedule[start : start + size], settings.micro_batch, rank, world)[0] for start in starts)
        yield from ahead(rows, [int(row) for parts in steps for part in parts for row in part])


def finetune(
    model: PeftModel | PreTrainedModel,
    rows: EncodedRows,
    schedule: Schedule,
    settings: Optimizer,
    model_params: Model,
    snapshot_steps: Set[int] = frozenset(),
    take_snapshot: Snapshot | None = None,
    checkpoint: Checkpoint | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Train `model` in place on `rows` in the order of `schedule`, which is never changed.

    AdamW with linear warm-up and cosine decay (LLaVA-1.5's recipe). The loss is the mean over the batch's answer
    tokens, or over the means of its micro-batches (`settings.loss_mean`; one without answer tokens adds 0). `seed`
    controls dropout. `take_snapshot(step, optimizer, lr)` is called after the given steps; `lr` is the rate of the next
    step. A run resumes from `checkpoint` if that exists. In a distributed run all processes call this with the same
    arguments; the first one takes snapshots and writes checkpoints. Returns the loss of every step, float32 [n_steps].
    Raises InputError naming step and row ids if a loss is not finite.
    """
    with in_float32(list(trainable(model).values())):
        shard_base(model)
        return _steps(model, rows, schedule, settings, model_params, snapshot_steps, take_snapshot, checkpoint, seed)


def _steps(
    model: PeftModel | PreTrainedModel,
    rows: EncodedRows,
    schedule: Schedule,
    settings: Optimizer,
    model_params: Model,
    snapshot_steps: Set[int],
    take_snapshot: Snapshot | None,
    checkpoint: Checkpoint | None,
    seed: int,
) -> np.ndarray:
    (rank, world), parameters, device = team(), list(trainable(model).values()), next(model.parameters()).device
    n_steps = -(-len(schedule) // settings.batch_size)
    groups = parameter_groups(model, settings.learning_rate, settings.whole_learning_rate)
    optimizer, rate, losses, done = started(model, groups, settings, n_steps, checkpoint, fused=True)
    batched, pad_id = pack if model_params.packing else collate, rows.processor.tokenizer.pad_token_id
    if model_params.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    model.train()
    stream = _stream(rows, schedule, settings, rank, world, done)
    with folded(model):
        for i in console.track(range(done, n_steps), "fine-tune"):
            which = schedule[i * settings.batch_size : (i + 1) * settings.batch_size]
            parts, n_counted = shares(which, settings.micro_batch, rank, world)
            batches = [batched([next(stream) for _ in part], pad_id) for part in parts]
            for batch in batches[n_counted:]:
                batch["labels"].fill_(IGNORE)
            counts = [int((batch["labels"][:, 1:] != IGNORE).sum()) for batch in batches]
            n_tokens = total(sum(counts))
            if not n_tokens:
                raise InputError(
                    f"no token can be learnt at step {i + 1}, {', '.join(rows.ids(which))}: their answers are cut "
                    "off; raise model.max_length or leave these rows out"
                )
            if settings.loss_mean == "micro_batches":
                n_parts = total(n_counted)
                means_over = [count * n_parts or 1 for count in counts]
            else:
                means_over = [n_tokens] * len(batches)
            passed = 0.0
            for k, (batch, over) in enumerate(zip(batches, means_over, strict=True)):
                seed_dropout(seed, i, rank + k * world)
                inputs = model_inputs(batch, device)
                keep, targets = learnt(inputs.pop("labels"))
                with torch.autocast(device.type, torch.bfloat16, enabled=model_params.dtype == "bfloat16"):
                    logits = model(**inputs, use_cache=False, logits_to_keep=keep).logits
                    loss = F.cross_entropy(logits.float(), targets, reduction="sum") / over
                loss.backward()
                passed += loss.item()
            losses[i] = total(passed)
            add_up_gradients(parameters)
            length = clip(parameters, settings.max_grad_norm)
            if not np.isfinite([losses[i], length]).all():
                ids = ", ".join(rows.table["id"][int(row)].as_py() for row in which)
                raise InputError(
                    f"the loss is {losses[i]} and the gradient norm {length} at step {i + 1}, "
                    f"rows with ids {ids}; lower learning_rate or check these rows"
                )
            console.note(loss=losses[i])
            optimizer.step()
            rate.step()
            optimizer.zero_grad()
            if rank == 0 and i + 1 in snapshot_steps:
                take_snapshot(i + 1, optimizer, rate.get_last_lr()[0])
            if checkpoint and checkpoint.due(i + 1, settings.checkpoint_steps):
                checkpoint.save(model, optimizer, losses[: i + 1])
    model.eval()
    return losses
