"""Image and text embeddings of pool rows from the base model itself."""

from __future__ import annotations

from itertools import chain

import numpy as np
import torch
from transformers import PreTrainedModel, ProcessorMixin

from cadc.model.batches import model_inputs
from cadc.model.encode import IGNORE, EncodedRows
from cadc.model.stream import stretches, token_lengths


@torch.inference_mode()
def embed_rows(
    model: PreTrainedModel, processor: ProcessorMixin, rows: EncodedRows, which: np.ndarray, batch_size: int = 64
) -> dict[str, np.ndarray]:
    """Unit embeddings of rows `which`: image float32 [n, width] and text float32 [n, width].

    Image: mean last hidden state over the row's image tokens (zero for text-only rows). Text: mean over the tokens of
    the human turns, without images and answers. Both come from the language model, so they share a space.
    """
    device = next(model.parameters()).device
    by_length = np.argsort(token_lengths(rows, which), kind="stable")
    places = [by_length[start : start + batch_size] for start in range(0, len(which), batch_size)]
    out: dict[str, np.ndarray] = {}
    for at, batch in chain.from_iterable(stretches(rows, which, places, processor.tokenizer.pad_token_id)):
        inputs = model_inputs(batch, device, with_labels=False)
        hidden = model(**inputs, output_hidden_states=True, use_cache=False).hidden_states[-1].float()
        is_image = inputs["input_ids"] == model.config.image_token_id
        is_text = (inputs["attention_mask"] == 1) & ~is_image & (batch["labels"].to(device) == IGNORE)
        for name, mask in (("image", is_image), ("text", is_text)):
            mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
            out.setdefault(name, np.zeros((len(which), hidden.shape[-1]), np.float32))[at] = (
                torch.nn.functional.normalize(mean, dim=1).cpu().numpy()
            )
    return out
