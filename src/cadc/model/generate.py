"""Greedy answers of a model to chat prompts, in batches of similar length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel, ProcessorMixin

from cadc.model.batches import collate, model_inputs
from cadc.model.conversation import end_of_turn
from cadc.model.folding import folded


def by_length(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Batches of prompts by token count, longest first, as indices into `lengths`. They depend only on the prompts."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


@torch.inference_mode()
def generate_batch(
    model: PreTrainedModel, processor: ProcessorMixin, prompts: list[dict[str, Any]], max_new_tokens: int
) -> list[str]:
    """Greedy continuations of one batch of encoded prompts, left-padded; special tokens are removed.

    An answer stops at the end-of-turn token used in training, or at any token in the model's own generation config.
    """
    tokenizer, device = processor.tokenizer, next(model.parameters()).device
    own = model.generation_config.eos_token_id
    stops = sorted({end_of_turn(processor), *(own if isinstance(own, list) else [] if own is None else [own])})
    batch = model_inputs(collate(prompts, tokenizer.pad_token_id, left=True), device, with_labels=False)
    with folded(model):
        made = model.generate(
            **batch,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            num_beams=1,
            eos_token_id=stops,
            pad_token_id=tokenizer.pad_token_id,
        )
    texts = tokenizer.batch_decode(made[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return [text.strip() for text in texts]


def generate(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    prompts: list[dict[str, Any]],
    max_new_tokens: int,
    batch_size: int,
) -> list[str]:
    """`generate_batch` of encoded prompts, in order, in batches of similar length."""
    lengths = [len(encoded["input_ids"]) for encoded in prompts]
    return generate_each(model, processor, prompts.__getitem__, lengths, max_new_tokens, batch_size)


def generate_each(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    encoded: Callable[[int], dict[str, Any]],
    lengths: Sequence[int],
    max_new_tokens: int,
    batch_size: int,
) -> list[str]:
    """The same for prompts with these `lengths` in tokens; each is encoded when its batch comes up, to save memory."""
    answers = [""] * len(lengths)
    for at in by_length(lengths, batch_size):
        made = generate_batch(model, processor, [encoded(i) for i in at], max_new_tokens)
        for i, text in zip(at, made, strict=True):
            answers[i] = text
    return answers
