"""Per-row effects of images and questions on a model: answer losses without them, and text-to-image attention.

VisNec: the answer's loss without the image. PreSel: without the question. ScalSelect: the image's most attended tokens
in the first layer. XMAS: singular values of the text-to-image attention at every snapshot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Literal

import numpy as np
import pyarrow as pa
import torch
from peft import PeftModel

from cadc.data.wording import IMAGE_TOKEN
from cadc.features.attention import TOP, attended, cross_attention, grouped, largest_singular_values
from cadc.gradients.influence import token_batches
from cadc.model.batches import model_inputs
from cadc.model.encode import IGNORE, EncodedRows
from cadc.model.stream import stretches, token_lengths
from cadc.training.answers import answer_scores
from cadc.training.snapshots import Snapshot, restore

_ATTENTION = re.compile(r"(language_model|text_model)\..*layers\.(\d+)\.self_attn$")


def without_pictures(rows: pa.Table) -> pa.Table:
    """Pool rows without their images and image tokens."""
    made = rows.to_pylist()
    for row in made:
        row["images"] = []
        row["turns"] = [{**turn, "text": turn["text"].replace(IMAGE_TOKEN, "")} for turn in row["turns"]]
    return pa.Table.from_pylist(made, schema=rows.schema)


def without_questions(rows: pa.Table) -> pa.Table:
    """Pool rows as one turn that shows the images without a question, answered by all answers joined by a space
    (PreSel's code)."""
    made = rows.to_pylist()
    for row in made:
        answers = [turn["text"].strip() for turn in row["turns"] if turn["role"] == "assistant"]
        shown = "\n".join(IMAGE_TOKEN for _ in row["images"])
        row["turns"] = [{"role": "user", "text": shown}, {"role": "assistant", "text": " ".join(answers)}]
    return pa.Table.from_pylist(made, schema=rows.schema)


def attention_layers(model: PeftModel) -> list[torch.nn.Module]:
    """The language model's attention modules in order. Raises TypeError if none is found by name."""
    found = {int(match[2]): module for name, module in model.named_modules() if (match := _ATTENTION.search(name))}
    if not found:
        raise TypeError(
            "found no attention module (layers.N.self_attn) in the language model; add it in cadc.features.contrast"
        )
    return [found[k] for k in sorted(found)]


class _Seen(Exception):
    """Ends a forward pass after the first layer."""


@contextmanager
def first_layer(model: PeftModel) -> Iterator[Callable[[dict], tuple[torch.Tensor, torch.Tensor]]]:
    """A function from batch inputs to the first layer's attention (mean over heads, [B, L, L]) and its output [B, L,
    width]. Later layers don't run."""
    attention = attention_layers(model)[0]
    layer = next(
        module
        for module in model.modules()
        if getattr(module, "self_attn", None) is attention and module is not attention
    )
    seen: dict[str, torch.Tensor] = {}

    def weights(module, inputs, output) -> None:
        seen["attention"] = output[1].mean(1)

    def end(module, inputs, output) -> None:
        seen["hidden"] = output[0] if isinstance(output, tuple) else output
        raise _Seen

    base, before = model.get_base_model(), model.get_base_model().config._attn_implementation
    handles = [attention.register_forward_hook(weights), layer.register_forward_hook(end)]

    def run(inputs: dict) -> tuple[torch.Tensor, torch.Tensor]:
        with suppress(_Seen):
            model(**inputs, use_cache=False)
        return seen.pop("attention"), seen.pop("hidden")

    base.set_attn_implementation("eager")  # the only implementation that returns attention weights
    try:
        yield run
    finally:
        base.set_attn_implementation(before)
        for handle in handles:
            handle.remove()


@contextmanager
def queries_and_keys(model: PeftModel) -> Iterator[list[dict[str, torch.Tensor]]]:
    """The queries and keys of each layer in the last forward pass, [B, L, width], before position encoding."""
    layers = attention_layers(model)
    seen: list[dict[str, torch.Tensor]] = [{} for _ in layers]

    def catch(k: int, name: str):
        return lambda module, inputs, output: seen[k].__setitem__(name, output.detach())

    handles = [
        getattr(layer, f"{name}_proj").register_forward_hook(catch(k, name))
        for k, layer in enumerate(layers)
        for name in "qk"
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _losses(model: PeftModel, batch: dict[str, torch.Tensor], device: torch.device) -> np.ndarray:
    """Mean loss over answer tokens of each row of a batch: float32 [B]."""
    inputs = model_inputs(batch, device)
    labels = inputs.pop("labels")
    return answer_scores(model(**inputs, use_cache=False).logits, labels)["nll"].cpu().numpy()


@torch.inference_mode()
def answer_losses(model: PeftModel, rows: EncodedRows, which: np.ndarray, batch_tokens: int) -> np.ndarray:
    """Mean loss over answer tokens of rows `which` int [n]: float32 [n]."""
    device, out = next(model.parameters()).device, np.zeros(len(which), np.float32)
    places = token_batches(token_lengths(rows, which), batch_tokens)
    for stretch in stretches(rows, which, places, rows.processor.tokenizer.pad_token_id):
        for at, batch in stretch:
            out[at] = _losses(model, batch, device)
    return out


@torch.inference_mode()
def looks(
    model: PeftModel,
    rows: EncodedRows,
    which: np.ndarray,
    snapshots: list[Snapshot],
    image_token: int,
    batch_tokens: int,
    variant: Literal["paper", "released"],
) -> dict[str, np.ndarray]:
    """Features of rows `which` int [n]; each row is encoded once.

    Model without LoRA: `nll_shown` float32 [n], mean loss over answer tokens, and `attended` float32 [n, width]
    (ScalSelect). Every snapshot: `singular` float32 [n_snapshots, n, TOP] (XMAS; `variant`: see `cross_attention`). The
    latter two are 0 without an image.
    """
    device, config = next(model.parameters()).device, model.get_base_model().config.get_text_config()
    heads = (config.num_attention_heads, config.num_key_value_heads)
    out = {
        "nll_shown": np.zeros(len(which), np.float32),
        "attended": np.zeros((len(which), config.hidden_size), np.float32),
        "singular": np.zeros((len(snapshots), len(which), TOP), np.float32),
    }
    places = token_batches(token_lengths(rows, which), batch_tokens)
    for stretch in stretches(rows, which, places, rows.processor.tokenizer.pad_token_id):
        with model.disable_adapter():
            for at, batch in stretch:
                out["nll_shown"][at] = _losses(model, batch, device)
            with first_layer(model) as run:
                for at, batch in stretch:
                    inputs = model_inputs(batch, device)
                    there, image, _ = _places(inputs, image_token)
                    user = there & ~image & (inputs.pop("labels") == IGNORE)
                    found = zip(*run(inputs), user, image, strict=True)
                    out["attended"][at] = [attended(*one).cpu().numpy() for one in found]
        for t, snapshot in enumerate(snapshots):
            restore(model, snapshot)
            with queries_and_keys(model) as seen:
                for at, batch in stretch:
                    inputs = model_inputs(batch, device, with_labels=False)
                    model(**inputs, use_cache=False, logits_to_keep=1)
                    masks = _places(inputs, image_token)
                    out["singular"][t, at] = [_values(seen, b, masks, heads, variant) for b in range(len(at))]
    return out


def _values(
    seen: list[dict[str, torch.Tensor]],
    b: int,
    masks: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    heads: tuple[int, int],
    variant: Literal["paper", "released"],
) -> np.ndarray:
    there, image, text = (mask[b] for mask in masks)
    queries = [layer["q"][b][there] for layer in seen]
    keys = [grouped(layer["k"][b][there], *heads) for layer in seen]
    return largest_singular_values(cross_attention(queries, keys, text[there], image[there], variant)).numpy()


def _places(inputs: dict[str, torch.Tensor], image_token: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Masks of a batch, bool [B, L] each: non-padding, image tokens, and text tokens after an image."""
    there, image = inputs["attention_mask"] == 1, inputs["input_ids"] == image_token
    return there, image, there & ~image & (image.cumsum(1) > 0)
