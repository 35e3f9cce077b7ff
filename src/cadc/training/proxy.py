"""The proxy run: LoRA on the pool or a fraction of it, with snapshots of weights and AdamW state (CADC, discovery)."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa

from cadc import artifacts
from cadc.compute import console
from cadc.compute.launch import team
from cadc.config.budgets import n_selected
from cadc.config.params import Params
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_base
from cadc.training.checkpoint import Checkpoint
from cadc.training.finetune import finetune
from cadc.training.grouping import grouped_schedule
from cadc.training.snapshots import save_snapshot, snapshot_steps


def proxy_run(folder: Path, pool: pa.Table, processor, params: Params, seed: int) -> None:
    """Train the proxy run of one `seed`, which sets LoRA initialisation, rows and their order.

    Writes snapshot_K.safetensors, snapshots.json and loss.npy (float32 [n_steps]) to `folder`. Until the run ends,
    checkpoints and snapshots are next to the folder, so that a killed run resumes.
    """
    proxy = params.proxy
    rows = np.random.default_rng(seed).permutation(pool.num_rows)[: n_selected(proxy.pool_fraction, pool.num_rows)]
    n_examples = round(proxy.epochs * len(rows))
    order = grouped_schedule(pool, rows, n_examples, proxy, seed) if proxy.grouped else np.resize(rows, n_examples)
    n_steps = -(-len(order) // proxy.batch_size)
    steps = snapshot_steps(n_steps, proxy.snapshots_at)
    model = add_lora(load_base(params.model), params.model.lora, seed)
    kept = folder.with_suffix(".kept")
    kept.mkdir(exist_ok=True)

    def take(step, optimizer, lr):
        k = steps.index(step)
        artifacts.write_json(kept / f"{k}.json", save_snapshot(kept, k, step, lr, model, optimizer))

    encoded = EncodedRows(
        pool, processor, params.model.max_length, keep=proxy.epochs > 1, long_rows=params.model.long_rows
    )
    checkpoint = Checkpoint(kept / "checkpoint")
    losses = finetune(model, encoded, order, proxy, params.model, set(steps), take, checkpoint, seed)
    if team()[0] > 0:
        return
    artifacts.write_json(
        folder / "snapshots.json", [artifacts.read_json(kept / f"{k}.json") for k in range(len(steps))]
    )
    artifacts.save_array(folder / "loss.npy", losses)
    (kept / "checkpoint").unlink(missing_ok=True)  # remove first: a checkpoint must not outlive earlier snapshots
    for k in range(len(steps)):
        (kept / f"snapshot_{k}.safetensors").rename(folder / f"snapshot_{k}.safetensors")
    shutil.rmtree(kept)
    if encoded.cut:
        console.line(f"proxy: {encoded.summary()}")
    console.line(
        f"proxy: {n_steps} steps, loss {losses[: n_steps // 10 + 1].mean():.3f} -> "
        f"{losses[-n_steps // 10 :].mean():.3f}, snapshots after steps {steps}"
    )
