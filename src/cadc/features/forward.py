"""Features of pool rows from the proxy's forward passes.

From the last snapshot: activations (COINCIDE) and hidden states (Self-Sup, D2). From every snapshot: how well it
predicts each answer (EL2N, perplexity, D2), and its entropy before the answer (predictive entropy).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from peft import PeftModel
from torch.nn import functional as F

from cadc.gradients.influence import token_batches
from cadc.model.batches import model_inputs
from cadc.model.encode import IGNORE, EncodedRows
from cadc.model.stream import stretches, token_lengths
from cadc.training.answers import answer_scores
from cadc.training.snapshots import Snapshot, restore

#: The arrays of `row_features`: per row, and per row and snapshot.
BY_ROW, BY_SNAPSHOT = ("activations", "hidden"), ("nll", "el2n", "margin", "entropy")

_ATTENTION_OUTPUT = re.compile(
    r"(language_model|text_model)\..*layers\.(\d+)\.(self_attn|attention)\.(o_proj|out_proj|wo)$"
)


def attention_outputs(model: PeftModel, n_layers: int) -> list[torch.nn.Module]:
    """The attention output projections of `n_layers` evenly spaced layers of the language model.

    3, 7, 11, 15, 19 of 24, as in COINCIDE's code. Raises TypeError if none is found by name.
    """
    found = {
        int(match[2]): module for name, module in model.named_modules() if (match := _ATTENTION_OUTPUT.search(name))
    }
    if not found:
        raise TypeError(
            "found no attention output projection (layers.N.self_attn.o_proj) in the language model; add its name in "
            "cadc.features.forward"
        )
    n = min(n_layers, len(found))
    last = n_layers >= len(found)  # use all layers if the model has no more than n_layers
    spread = range(n) if last else [(i + 1) * len(found) // (n + 1) - 1 for i in range(n)]
    return [found[sorted(found)[i]] for i in spread]


@contextmanager
def watched(modules: list[torch.nn.Module]) -> Iterator[list[torch.Tensor]]:
    """The outputs of `modules` in the last forward pass, in order."""
    seen: list[torch.Tensor] = [torch.empty(0)] * len(modules)

    def catch(k):
        return lambda module, inputs, output: seen.__setitem__(k, output.detach())

    handles = [module.register_forward_hook(catch(k)) for k, module in enumerate(modules)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def masked_mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over masked positions: [B, L, d], bool [B, L] -> float32 [B, d], zero for an empty mask."""
    return (values.float() * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def first_token_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Entropy in nats of the next-token distribution at the start of a row's first answer: float32 [B].

    logits [B, L, V], labels [B, L]. The position is the one that predicts the first token of the first answer. It is
    the only position before any answer token, so the answer has no effect; a mean over answer tokens would depend on
    it. NaN for a row without answer tokens.
    """
    is_answer = labels[:, 1:] != IGNORE
    there, position = is_answer.any(1), is_answer.int().argmax(1)  # position i predicts token i + 1
    p = logits[torch.arange(len(logits), device=logits.device), position].float().softmax(-1)
    return torch.where(there, torch.special.entr(p).sum(-1), torch.nan)


@torch.inference_mode()
def row_features(
    model: PeftModel,
    rows: EncodedRows,
    which: np.ndarray,
    snapshots: list[Snapshot],
    image_token: int,
    n_layers: int,
    batch_tokens: int,
) -> dict[str, np.ndarray]:
    """Features of pool rows `which`.

    Last snapshot: activations float16 [n, n_layers, 2, width], tanh of the attention outputs' mean over image tokens
    and over `text_tokens`, each scaled to unit length (zero if a row has none); hidden float32 [n, width], mean final
    hidden state over all tokens. Every snapshot: nll, el2n, margin (`answer_scores`) and entropy
    (`first_token_entropy`), float32 [n_snapshots, n] each.
    """
    tokenizer = rows.processor.tokenizer
    special = torch.tensor(sorted(i for i, token in tokenizer.added_tokens_decoder.items() if token.special))
    modules, device = attention_outputs(model, n_layers), next(model.parameters()).device
    out = {name: np.zeros((len(snapshots), len(which)), np.float32) for name in BY_SNAPSHOT}
    places = token_batches(token_lengths(rows, which), batch_tokens)
    for stretch in stretches(rows, which, places, tokenizer.pad_token_id):
        for t, snapshot in enumerate(snapshots):
            restore(model, snapshot)
            is_last = t == len(snapshots) - 1
            with watched(modules if is_last else []) as seen:
                for at, batch in stretch:
                    inputs = model_inputs(batch, device)
                    labels = inputs.pop("labels")
                    made = model(**inputs, use_cache=False, output_hidden_states=is_last)
                    scores = answer_scores(made.logits, labels) | {"entropy": first_token_entropy(made.logits, labels)}
                    for name in BY_SNAPSHOT:
                        out[name][t, at] = scores[name].cpu().numpy()
                    if is_last:
                        found = _representations(
                            made.hidden_states[-1], seen, *_masks(inputs, image_token, special.to(device))
                        )
                        for name, array in found.items():
                            out.setdefault(name, np.zeros((len(which), *array.shape[1:]), array.dtype))[at] = array
    return out


def _masks(inputs: dict[str, torch.Tensor], image_token: int, special: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Masks of a batch, bool [B, L] each: non-padding, image tokens, and `text_tokens`."""
    there, is_image = inputs["attention_mask"] == 1, inputs["input_ids"] == image_token
    return there, is_image, there & text_tokens(inputs["input_ids"], is_image, special)


def text_tokens(ids: torch.Tensor, is_image: torch.Tensor, special: torch.Tensor) -> torch.Tensor:
    """The tokens of a row's own text: bool [B, L]. ids int64 [B, L], is_image bool [B, L], special int64 token ids.

    These are non-special tokens after the first image token, if there is one. Text before the image is the same in all
    rows and, under a causal mask, has the same activations. Special tokens are role marks, padding and image-tile
    marks.
    """
    behind = (is_image.cumsum(1) > 0) | ~is_image.any(1, keepdim=True)
    return behind & ~is_image & ~torch.isin(ids, special)


def _representations(
    hidden: torch.Tensor,
    outputs: list[torch.Tensor],
    there: torch.Tensor,
    is_image: torch.Tensor,
    is_text: torch.Tensor,
) -> dict[str, np.ndarray]:
    blocks = [
        [F.normalize(masked_mean(layer, mask).tanh(), dim=1) for mask in (is_image, is_text)] for layer in outputs
    ]
    activations = torch.stack([torch.stack(pair, 1) for pair in blocks], 1).half().cpu().numpy()
    return {"activations": activations, "hidden": masked_mean(hidden, there).cpu().numpy()}
