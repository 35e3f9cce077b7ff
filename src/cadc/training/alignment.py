"""Train only the connector, so that a language model can use images: LLaVA's first stage."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import torch
from torch.nn import functional as F
from transformers import PreTrainedModel

from cadc.model.batches import collate, model_inputs
from cadc.model.encode import EncodedRows
from cadc.model.stream import ahead
from cadc.training.finetune import learnt

CONNECTOR = r"model\.multi_modal_projector\..*"


def split_by_picture(pool: pa.Table, held_out: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows with an image, in random order: training rows and `held_out` validation rows, int64; they share no image.

    At most half of the rows are held out.
    """
    shown = [hashlib.sha256(repr(images).encode()).digest() if images else b"" for images in pool["images"].to_pylist()]
    drawn = [int(row) for row in np.random.default_rng(seed).permutation(len(shown)) if shown[row]]
    held = drawn[: min(held_out, len(drawn) // 2)]
    theirs = {shown[row] for row in held}
    return np.array([row for row in drawn if shown[row] not in theirs], np.int64), np.array(held, np.int64)


@torch.no_grad()
def answer_loss_of(model: PreTrainedModel, rows: EncodedRows, which: np.ndarray, size: int, blank: bool) -> float:
    """Mean cross-entropy over the answer tokens of rows `which`, `size` per batch. blank: set all pixels to zero."""
    model.eval()
    device, pad_id = next(model.parameters()).device, rows.processor.tokenizer.pad_token_id
    total, counted, stream = 0.0, 0, ahead(rows, [int(row) for row in which])
    for begin in range(0, len(which), size):
        inputs = model_inputs(collate([next(stream) for _ in which[begin : begin + size]], pad_id), device)
        if blank:
            inputs["pixel_values"] = torch.zeros_like(inputs["pixel_values"])
        keep, targets = learnt(inputs.pop("labels"))
        with torch.autocast(device.type, torch.bfloat16, enabled=model.dtype == torch.bfloat16):
            logits = model(**inputs, use_cache=False, logits_to_keep=keep).logits
        total += float(F.cross_entropy(logits.float(), targets, reduction="sum"))
        counted += len(targets)
    return total / counted
