"""Image and text embeddings of pool rows from the base itself."""

from __future__ import annotations

import numpy as np
import torch
from transformers import PreTrainedModel, ProcessorMixin

from cadc.model.encode import IGNORE, EncodedRows, collate, model_inputs


def _unit(x: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(x.float(), dim=1).cpu().numpy()


@torch.inference_mode()
def embed_rows(model: PreTrainedModel, processor: ProcessorMixin, rows: EncodedRows, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit embeddings of rows `which`: image float32 [n, width] and text float32 [n, width].

    Image: mean last hidden state over the row's image tokens (zero for text-only rows). Text: mean over the tokens of
    the human turns, images and answers left out. Both come from the language model, so they share a space.
    """
    batch = collate([rows[int(row)] for row in which], processor.tokenizer.pad_token_id)
    inputs = model_inputs(batch, next(model.parameters()).device, with_labels=False)
    hidden = model(**inputs, output_hidden_states=True, use_cache=False).hidden_states[-1].float()
    is_image = inputs["input_ids"] == model.config.image_token_id
    is_answer = batch["labels"].to(hidden.device) != IGNORE
    is_text = (inputs["attention_mask"] == 1) & ~is_image & ~is_answer

    def mean(mask: torch.Tensor) -> torch.Tensor:
        return (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)

    return _unit(mean(is_image)), _unit(mean(is_text))
