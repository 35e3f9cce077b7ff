"""The score-net of Self-Filter (Chen et al. 2024, stage 1): learns which rows are easy while the model trains on them.

A linear layer scores each row from its image and text embeddings. The softmax of the scores over a batch weights the
rows' losses. Both are trained on the weighted loss, so weight moves to rows with a low loss: a row's difficulty is its
negative score.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from peft import PeftModel

from cadc.compute import console
from cadc.compute.launch import team
from cadc.config.errors import InputError
from cadc.config.params import Model, Optimizer
from cadc.gradients.per_sample import answer_loss
from cadc.model.batches import collate, model_inputs
from cadc.model.encode import EncodedRows
from cadc.model.load import trainable
from cadc.model.stream import ahead
from cadc.training.checkpoint import Checkpoint
from cadc.training.optimizer import clip, parameter_groups, seed_dropout, started, zero_head
from cadc.training.parallel import add_up, add_up_gradients, shard_base, shares


def train_score_net(
    model: PeftModel,
    rows: EncodedRows,
    features: np.ndarray,
    order: np.ndarray,
    settings: Optimizer,
    params: Model,
    learning_rate: float,
    seed: int = 0,
    kept: Path | None = None,
) -> np.ndarray:
    """Train `model` in place, with a score-net, on the rows of `order`, int64 [n_examples].

    Returns the difficulty of all rows, float32 [n_rows]. features float32 [n_rows, width]. `settings`: the model's
    optimizer, batch size and schedule; a batch is processed `micro_batch` rows at a time. The net starts at zero (equal
    weights) and has its own AdamW at `learning_rate`. `seed` controls dropout. `kept`: where checkpoints go, so that a
    killed run resumes. In a distributed run all processes call this with the same arguments: each processes its share
    of a batch, and all learn the same net from all losses. Raises InputError if a loss is not finite.
    """
    shard_base(model)
    (rank, world), parameters, device = team(), list(trainable(model).values()), next(model.parameters()).device
    net, pad_id = zero_head(features.shape[1], device), rows.processor.tokenizer.pad_token_id
    batches = [order[start : start + settings.batch_size] for start in range(0, len(order), settings.batch_size)]
    groups = parameter_groups(model, settings.learning_rate, settings.whole_learning_rate)
    groups.append({"params": net.parameters(), "lr": learning_rate, "weight_decay": 0.0})
    checkpoint = Checkpoint(kept, head=net) if kept else None
    optimizer, rate, losses, done = started(model, groups, settings, len(batches), checkpoint)
    if params.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    model.train()
    # for each batch: the parts that this process computes, as positions in it, and how many of them count
    split = [shares(np.arange(len(which)), settings.micro_batch, rank, world) for which in batches]
    todo = list(zip(batches, split, strict=True))[done:]
    stream = ahead(rows, [row for which, (parts, _) in todo for at in parts for row in which[at]])
    for i, (which, (parts, n_counted)) in enumerate(console.track(todo, "score-net"), done):
        weights = net(torch.tensor(features[which], device=device))[:, 0].softmax(0)
        share, passed = weights.detach(), torch.zeros(len(which), device=device)
        for k, at in enumerate(parts):
            seed_dropout(seed, i, rank + k * world)
            inputs = model_inputs(collate([next(stream) for _ in at], pad_id), device)
            labels = inputs.pop("labels")
            with torch.autocast(device.type, torch.bfloat16, enabled=params.dtype == "bfloat16"):
                made = answer_loss(model(**inputs, use_cache=False).logits, labels)
            counts = float(k < n_counted)
            # this is the model's gradient; the net's gradient needs the losses of the whole batch
            (counts * share[at] * made).sum().backward()
            passed[at] += counts * made.detach()
        add_up(passed)
        add_up_gradients(parameters)
        loss = (weights * passed).sum()
        if not torch.isfinite(loss):
            raise InputError(
                f"the loss is {loss.item()} at step {i + 1}; lower proxy.learning_rate or score_net.learning_rate"
            )
        losses[i] = loss.item()
        console.note(loss=losses[i])
        loss.backward()
        clip(parameters, settings.max_grad_norm)
        optimizer.step()
        rate.step()
        optimizer.zero_grad()
        if checkpoint and checkpoint.due(i + 1, settings.checkpoint_steps):
            checkpoint.save(model, optimizer, losses[: i + 1])
    model.eval()
    with torch.inference_mode():
        return -net(torch.tensor(features, device=device))[:, 0].cpu().numpy()
