"""What a method costs, counted and not timed: rows passed through the model, and floating-point operations (ours).

Seconds differ from machine to machine (they are in reports/costs.md); these figures don't, so they can stand in a DVC output.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from cadc import artifacts
from cadc.gradients.influence import SketchedDirections, token_batches
from cadc.gradients.per_sample import answer_loss
from cadc.model.encode import EncodedRows, collate, model_inputs
from cadc.model.load import add_lora, load_base, load_processor
from cadc.params import Params
from cadc.training.schedule import epochs_for
from cadc.training.snapshots import load_snapshots

_SAMPLE = 256  # pool rows on which operations are counted


def operations(params: Params) -> dict[str, float]:
    """Mean floating-point operations a pool row: a `forward` pass, a `training` step, the engine's `gradients`.

    As torch counts them (matrix products and convolutions, two each multiply-add), in the batches of
    `capture`. The sketch's products with the trajectories are counted, its element-wise additions are not.
    """
    pool, processor = artifacts.load_pool(), load_processor(params.model.path)
    model = add_lora(load_base(params.model), params.model.lora, 0)
    rows, pad_id = EncodedRows(pool, processor, params.model.max_length), processor.tokenizer.pad_token_id
    which = np.linspace(0, pool.num_rows - 1, min(_SAMPLE, pool.num_rows)).astype(int)
    lengths = np.array([len(rows[int(row)]["input_ids"]) for row in which])
    batches = [collate([rows[int(which[i])] for i in at], pad_id) for at in token_batches(lengths, params.capture.batch_tokens)]
    n_subtasks = len(artifacts.read_json(artifacts.CAPABILITIES / "capabilities.json"))
    device = next(model.parameters()).device

    def forward(training: bool) -> None:
        for batch in batches:
            inputs = model_inputs(batch, device)
            labels = inputs.pop("labels")
            loss = answer_loss(model(**inputs, use_cache=False).logits, labels).sum()
            if training:
                loss.backward()

    def gradients() -> None:
        engine = SketchedDirections(model, params.capture, pad_id)
        targets = torch.zeros(n_subtasks, engine.sketch.width, device=device)
        for _, sketches, _, _ in engine.batches(rows, which, load_snapshots(artifacts.PROXY)[0]):
            sketches @ targets.T

    def counted(work) -> float:
        with FlopCounterMode(display=False) as counter:
            work()
        return counter.get_total_flops() / len(which)

    with torch.no_grad():
        made = {"forward": counted(lambda: forward(False))}
    return made | {"training": counted(lambda: forward(True)), "gradients": counted(gradients)}


def selection_cost(signal: str, params: Params, per_row: dict[str, float]) -> float:
    """Operations that a signal takes before any row is chosen: proxy run, trajectories and influence, or embeddings."""
    n_rows = artifacts.load_pool().num_rows
    if signal == "pool":
        return 0.0
    if signal == "embeddings":
        return n_rows * per_row["forward"]
    n_probe = sum(entry["rows"] for entry in artifacts.read_json(artifacts.CAPTURE / "subtasks.json"))
    proxy = round(n_rows * params.proxy.pool_fraction) * params.proxy.epochs
    return proxy * per_row["training"] + params.proxy.snapshots * (n_rows + n_probe) * per_row["gradients"]


def tuning_cost(budget: float, params: Params, per_row: dict[str, float]) -> float:
    """Operations of one fine-tuning at a share of the pool, its passes included."""
    return budget * artifacts.load_pool().num_rows * epochs_for(budget, params.finetune.epochs) * per_row["training"]
