"""LoRA fine-tuning by transformers' Trainer on rows in a given order, with optional snapshots of weights and AdamW state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from peft import PeftModel
from torch.utils.data import Dataset, SequentialSampler
from transformers import PrinterCallback, ProcessorMixin, Trainer, TrainerCallback, TrainingArguments

from cadc import artifacts, console
from cadc.model.encode import EncodedRows, collate, model_inputs
from cadc.params import Model, Optimizer

Snapshot = Callable[[int, torch.optim.Optimizer, float], None]


class _Ordered(Dataset):
    """Example i of the schedule is row order[i] of the pool."""

    def __init__(self, rows: EncodedRows, order: np.ndarray):
        self.rows, self.order = rows, order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, i: int):
        return self.rows[int(self.order[i])]


class _OrderedTrainer(Trainer):
    """A Trainer that never shuffles, keeps every loss and stops at the first that is not finite."""

    pool_ids: pa.ChunkedArray
    losses: list[float]

    def _get_train_sampler(self, train_dataset=None):
        return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        rows = inputs["row"]
        inputs = model_inputs(inputs, self.args.device)
        result = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        loss = float((result[0] if return_outputs else result).detach())
        if not np.isfinite(loss):
            ids = ", ".join(self.pool_ids[int(row)].as_py() for row in rows)
            raise FloatingPointError(f"the loss is {loss} at step {self.state.global_step + 1}, rows with ids {ids}; lower learning_rate or look at these rows")
        self.losses.append(loss)
        return result


class _Progress(TrainerCallback):
    """A bar over the steps; silent in worker processes and off a terminal."""

    def on_train_begin(self, args, state, control, **kwargs):
        self.bar = iter(console.track(range(state.max_steps), "fine-tune"))

    def on_step_begin(self, args, state, control, **kwargs):
        next(self.bar, None)

    def on_train_end(self, args, state, control, **kwargs):
        for _ in self.bar:
            pass


class _Snapshots(TrainerCallback):
    def __init__(self, steps: set[int], take: Snapshot):
        self.steps, self.take = steps, take

    def on_step_end(self, args, state, control, optimizer=None, lr_scheduler=None, **kwargs):
        if state.global_step in self.steps:
            self.take(state.global_step, optimizer, lr_scheduler.get_last_lr()[0])


def finetune(
    model: PeftModel,
    processor: ProcessorMixin,
    pool: pa.Table,
    order: np.ndarray,
    settings: Optimizer,
    model_params: Model,
    seed: int,
    snapshot_steps: set[int] = frozenset(),
    take_snapshot: Snapshot | None = None,
    rows: EncodedRows | None = None,
) -> np.ndarray:
    """Tune `model` in place on pool rows `order` (int64 [n_examples]); the order is never changed.

    Loss is the mean over the batch's answer tokens. `take_snapshot(step, optimizer, lr)` is called after the given
    steps, `lr` being the rate of the step that comes next. Returns the loss of every step, float32 [n_steps].
    Raises FloatingPointError, naming step and row ids, at a loss that is not finite.
    """
    rows = rows or EncodedRows(pool, processor, model_params.max_length)
    n_steps = -(-len(order) // settings.batch_size)
    arguments = TrainingArguments(
        output_dir=str(artifacts.SCRATCH / "trainer"),
        per_device_train_batch_size=settings.batch_size,
        max_steps=n_steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(settings.warmup_share * n_steps),
        weight_decay=settings.weight_decay,
        adam_beta1=settings.beta1,
        adam_beta2=settings.beta2,
        adam_epsilon=settings.epsilon,
        max_grad_norm=settings.max_grad_norm,
        optim="adamw_torch",
        bf16=model_params.dtype == "bfloat16",
        seed=seed,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        dataloader_num_workers=0,
        use_cpu=not torch.cuda.is_available(),
    )
    pad_id = processor.tokenizer.pad_token_id
    trainer = _OrderedTrainer(
        model=model,
        args=arguments,
        train_dataset=_Ordered(rows, order),
        data_collator=lambda encoded: collate(encoded, pad_id),
        callbacks=[_Progress(), *([_Snapshots(set(snapshot_steps), take_snapshot)] if take_snapshot else [])],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.pool_ids, trainer.losses = pool["id"], []
    trainer.train()
    model.eval()
    return np.array(trainer.losses, np.float32)


def clear_trainer_folder(folder: Path = artifacts.SCRATCH / "trainer") -> None:
    """The Trainer makes its output folder even when told to save nothing."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
