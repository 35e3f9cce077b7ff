"""proxy_train: a LoRA run on the pool (or a fraction), with snapshots of weights and AdamW state."""

import numpy as np
import torch

from cadc import artifacts, console
from cadc.budgets import n_selected
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_base, load_processor
from cadc.params import Params
from cadc.stage import run_stage
from cadc.training.finetune import finetune
from cadc.training.snapshots import save_snapshot, snapshot_steps


def main(params: Params) -> None:
    torch.set_num_threads(1)
    proxy, pool = params.proxy, artifacts.load_pool()
    rng = np.random.default_rng(proxy.seed)
    rows = rng.permutation(pool.num_rows)[: n_selected(proxy.pool_fraction, pool.num_rows)]
    order = np.resize(rows, round(proxy.epochs * len(rows)))
    n_steps = -(-len(order) // proxy.batch_size)
    steps = snapshot_steps(n_steps, proxy.snapshots)
    model = add_lora(load_base(params.model), params.model.lora, proxy.seed)
    encoded = EncodedRows(pool, load_processor(params.model.path), params.model.max_length)
    folder, entries = artifacts.fresh(artifacts.PROXY), []

    def take(step, optimizer, lr):
        entries.append(save_snapshot(folder, len(entries), step, lr, model, optimizer))

    losses = finetune(model, encoded, order, proxy, params.model, set(steps), take)
    artifacts.write_json(folder / "snapshots.json", entries)
    artifacts.save_array(folder / "loss.npy", losses)
    console.line(
        f"proxy: {n_steps} steps, loss {losses[: n_steps // 10 + 1].mean():.3f} -> {losses[-n_steps // 10 :].mean():.3f}, snapshots after steps {steps}"
    )


if __name__ == "__main__":
    run_stage("proxy_train", main)
