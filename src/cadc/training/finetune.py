"""LoRA fine-tuning on rows in a given order: a plain loop, with optional snapshots of weights and AdamW state.

A Trainer's bookkeeping would cost a fifth of the time on a model this small, and shuffle unless it is kept from it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from peft import PeftModel
from transformers import get_cosine_schedule_with_warmup

from cadc import console
from cadc.model.encode import EncodedRows, collate, model_inputs, pack
from cadc.model.load import trainable
from cadc.params import Model, Optimizer

Snapshot = Callable[[int, torch.optim.Optimizer, float], None]


def finetune(
    model: PeftModel,
    rows: EncodedRows,
    order: np.ndarray,
    settings: Optimizer,
    model_params: Model,
    snapshot_steps: set[int] = frozenset(),
    take_snapshot: Snapshot | None = None,
) -> np.ndarray:
    """Tune `model` in place on `rows` in `order` (int64 [n_examples]); the order is never changed.

    AdamW with linear warm-up and cosine decay (LLaVA-1.5's recipe); the loss is the mean over the batch's answer
    tokens. `take_snapshot(step, optimizer, lr)` is called after the given steps, `lr` being the rate of the step that
    comes next. Returns the loss of every step, float32 [n_steps]. Raises FloatingPointError, naming step and row ids,
    at a loss that is not finite.
    """
    parameters, device = list(trainable(model).values()), next(model.parameters()).device
    n_steps = -(-len(order) // settings.batch_size)
    optimizer = torch.optim.AdamW(parameters, settings.learning_rate, (settings.beta1, settings.beta2), settings.epsilon, settings.weight_decay, fused=True)
    schedule = get_cosine_schedule_with_warmup(optimizer, round(settings.warmup_share * n_steps), n_steps)
    batched, pad_id = pack if model_params.packing else collate, rows.processor.tokenizer.pad_token_id
    losses = np.empty(n_steps, np.float32)
    model.train()
    for i in console.track(range(n_steps), "fine-tune"):
        which = order[i * settings.batch_size : (i + 1) * settings.batch_size]
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
        schedule.step()
        optimizer.zero_grad()
        if i + 1 in snapshot_steps:
            take_snapshot(i + 1, optimizer, schedule.get_last_lr()[0])
    model.eval()
    return losses
