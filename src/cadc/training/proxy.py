"""The proxy run: LoRA on the pool or a fraction of it, with snapshots of weights and AdamW state (CADC, discovery)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from cadc import artifacts, console
from cadc.budgets import n_selected
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_base
from cadc.params import Params
from cadc.training.finetune import finetune
from cadc.training.snapshots import save_snapshot, snapshot_steps


def proxy_run(folder: Path, pool: pa.Table, processor, params: Params) -> int:
    """Train and write `folder`/snapshot_K.safetensors, snapshots.json and loss.npy (float32 [n_steps]); returns the examples seen."""
    proxy = params.proxy
    rows = np.random.default_rng(proxy.seed).permutation(pool.num_rows)[: n_selected(proxy.pool_fraction, pool.num_rows)]
    order = np.resize(rows, round(proxy.epochs * len(rows)))
    n_steps = -(-len(order) // proxy.batch_size)
    steps = snapshot_steps(n_steps, proxy.snapshots)
    model = add_lora(load_base(params.model), params.model.lora, proxy.seed)
    entries: list[dict] = []

    def take(step, optimizer, lr):
        entries.append(save_snapshot(folder, len(entries), step, lr, model, optimizer))

    encoded = EncodedRows(pool, processor, params.model.max_length, keep=proxy.epochs > 1)
    losses = finetune(model, encoded, order, proxy, params.model, set(steps), take)
    artifacts.write_json(folder / "snapshots.json", entries)
    artifacts.save_array(folder / "loss.npy", losses)
    console.line(
        f"proxy: {n_steps} steps, loss {losses[: n_steps // 10 + 1].mean():.3f} -> {losses[-n_steps // 10 :].mean():.3f}, snapshots after steps {steps}"
    )
    return len(order)
