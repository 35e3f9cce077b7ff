"""Greedy answers of a model to chat prompts, batched by length."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel, ProcessorMixin

from cadc.model.batches import collate, model_inputs
from cadc.model.conversation import end_of_turn
from cadc.model.folding import folded


@torch.inference_mode()
def generate(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    prompts: list[dict[str, Any]],
    max_new_tokens: int,
    batch_size: int,
) -> list[str]:
    """Greedy continuations of encoded prompts, in order, special tokens removed.

    Prompts are batched by length, longest first, and padded on the left; the batches depend on the prompts alone. An
    answer stops at the end of turn used in training, and at whatever else the model's own generation config names.
    """
    answers = [""] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]["input_ids"]))
    tokenizer, device = processor.tokenizer, next(model.parameters()).device
    own = model.generation_config.eos_token_id
    stops = sorted({end_of_turn(processor), *(own if isinstance(own, list) else [] if own is None else [own])})
    for start in range(0, len(order), batch_size):
        at = order[start : start + batch_size]
        batch = model_inputs(
            collate([prompts[i] for i in at], tokenizer.pad_token_id, left=True), device, with_labels=False
        )
        with folded(model):
            made = model.generate(
                **batch,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                num_beams=1,
                eos_token_id=stops,
                pad_token_id=tokenizer.pad_token_id,
            )
        for i, text in zip(
            at, tokenizer.batch_decode(made[:, batch["input_ids"].shape[1] :], skip_special_tokens=True), strict=True
        ):
            answers[i] = text.strip()
    return answers
