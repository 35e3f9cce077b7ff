"""LoRA fine-tuning on the rows of a schedule, in its order: a plain loop, with optional snapshots of weights and AdamW state.

A Trainer's bookkeeping would cost a fifth of the time on a model this small, and shuffle unless it is kept from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from peft import PeftModel
from transformers import get_cosine_schedule_with_warmup

from cadc import console
from cadc.model.encode import EncodedRows, collate, model_inputs, pack
from cadc.model.load import trainable
from cadc.params import Model, Optimizer

if TYPE_CHECKING:
    from cadc.training.checkpoint import Checkpoint
    from cadc.training.schedule import Schedule

Snapshot = Callable[[int, torch.optim.Optimizer, float], None]


def finetune(
    model: PeftModel,
    rows: EncodedRows,
    schedule: Schedule,
    settings: Optimizer,
    model_params: Model,
    snapshot_steps: set[int] = frozenset(),
    take_snapshot: Snapshot | None = None,
    checkpoint: Checkpoint | None = None,
) -> np.ndarray:
    """Tune `model` in place on `rows` in the order of `schedule`, which is never changed.

    AdamW with linear warm-up and cosine decay (LLaVA-1.5's recipe); the loss is the mean over the batch's answer
    tokens. `take_snapshot(step, optimizer, lr)` is called after the given steps, `lr` being the rate of the step that
    comes next. With a `checkpoint` the run goes on from it, if there is one. Returns the loss of every step, float32
    [n_steps]. Raises FloatingPointError, naming step and row ids, at a loss that is not finite.
    """
    parameters, device = list(trainable(model).values()), next(model.parameters()).device
    n_steps = -(-len(schedule) // settings.batch_size)
    optimizer = torch.optim.AdamW(parameters, settings.learning_rate, (settings.beta1, settings.beta2), settings.epsilon, settings.weight_decay, fused=True)
    batched, pad_id = pack if model_params.packing else collate, rows.processor.tokenizer.pad_token_id
    losses = np.empty(n_steps, np.float32)
    done = checkpoint.load(model, optimizer) if checkpoint else losses[:0]
    losses[: len(done)] = done
    optimizer.param_groups[0]["initial_lr"] = settings.learning_rate  # which a schedule that goes on asks for
    rate = get_cosine_schedule_with_warmup(optimizer, round(settings.warmup_share * n_steps), n_steps, last_epoch=len(done) - 1)
    model.train()
    for i in console.track(range(len(done), n_steps), "fine-tune"):
        which = schedule[i * settings.batch_size : (i + 1) * settings.batch_size]
        inputs = model_inputs(batched([rows[int(row)] for row in which], pad_id), device)
        with torch.autocast(device.type, torch.bfloat16, enabled=model_params.dtype == "bfloat16"):
            loss = model(**inputs, use_cache=False).loss
        losses[i] = loss.item()
        if not np.isfinite(losses[i]):
            ids = ", ".join(rows.table["id"][int(row)].as_py() for row in which)
            raise FloatingPointError(f"the loss is {losses[i]} at step {i + 1}, rows with ids {ids}; lower learning_rate or look at these rows")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, settings.max_grad_norm)
        optimizer.step()
        rate.step()
        optimizer.zero_grad()
        if i + 1 in snapshot_steps:
            take_snapshot(i + 1, optimizer, rate.get_last_lr()[0])
        if checkpoint and i + 1 in checkpoint.steps:
            checkpoint.save(model, optimizer, losses[: i + 1])
    model.eval()
    return losses
