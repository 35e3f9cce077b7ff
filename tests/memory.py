"""Narrow models of the published architectures with true proportions, and what a pass of theirs holds in memory."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch
from peft import PeftModel
from transformers import AutoModelForImageTextToText, PretrainedConfig

from cadc.config.params import Lora
from cadc.doctor.published import config_of
from cadc.model.load import add_lora

#: Profile -> hub id, and by how much its language model is narrower here: head sizes stay as they are.
MODELS = {
    "llava-1.5-7b": ("llava-hf/llava-1.5-7b-hf", 8),
    "qwen2-vl-7b": ("Qwen/Qwen2-VL-7B-Instruct", 7),
    "smolvlm-256m": ("HuggingFaceTB/SmolVLM-256M-Instruct", 3),
    "smolvlm-2.2b": ("HuggingFaceTB/SmolVLM-Instruct", 8),
}


def narrow(profile: str, layers: int, words: int = 256) -> PretrainedConfig:
    """The published config with a narrower language model of `layers` layers and `words` words, and a tower of one
    layer."""
    path, by = MODELS[profile]
    config = config_of(path)
    text, vision = config.get_text_config(), config.vision_config
    for name in ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads"):
        setattr(text, name, max(1, getattr(text, name) // by))
    text.num_hidden_layers, text.vocab_size = layers, words
    if hasattr(text, "layer_types") and text.layer_types:
        text.layer_types = text.layer_types[:layers]
    for name in ("num_hidden_layers", "depth"):
        if hasattr(vision, name):
            setattr(vision, name, 1)
    if config.model_type == "qwen2_vl":
        vision.hidden_size = text.hidden_size
    return config


def built(config: PretrainedConfig, lora: Lora, dtype: torch.dtype) -> PeftModel:
    """A random model of `config` with LoRA, in evaluation mode."""
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config, dtype=dtype)
    return add_lora(model.requires_grad_(False).eval(), lora, 0)


def text_rows(n_rows: int, length: int) -> list[dict]:
    """Encoded rows of text, the last quarter of each learnt; every second one token shorter: padded."""
    rows = []
    for k in range(n_rows):
        ids = torch.randint(3, 200, (length - k % 2,), generator=torch.Generator().manual_seed(k))
        labels = ids.clone()
        labels[: 3 * len(ids) // 4] = -100
        rows.append({"input_ids": ids, "labels": labels, "row": k})
    return rows


def picture_rows(config: PretrainedConfig, n_rows: int, length: int) -> list[dict]:
    """`text_rows` behind a picture of random pixels, as LLaVA-1.5 has them: a token a patch."""
    vision, rows = config.vision_config, text_rows(n_rows, length)
    n_tokens = (vision.image_size // vision.patch_size) ** 2
    for row in rows:
        row["input_ids"] = torch.cat([torch.full((n_tokens,), config.image_token_id), row["input_ids"]])
        row["labels"] = torch.cat([torch.full((n_tokens,), -100), row["labels"]])
        row["pixel_values"] = torch.randn(1, 3, vision.image_size, vision.image_size)
    return rows


def held(model: PeftModel, run: Callable[[], object]) -> int:
    """Bytes that `run`, a forward and backward pass of `model`, holds where its backward pass begins.

    That is what autograd saves, and what else lives at the end of the forward pass, such as what hooks keep; each
    storage counts once.
    """

    def alive() -> dict[int, torch.UntypedStorage]:
        plain = (torch.Tensor, torch.nn.Parameter)  # others, such as what torch.compile traces by, have no storage
        tensors = (x for x in gc.get_objects() if type(x) in plain)
        return {x.untyped_storage().data_ptr(): x.untyped_storage() for x in tensors}

    gc.collect()
    before, found = set(alive()), {}

    def pack(x: torch.Tensor) -> torch.Tensor:
        found[x.untyped_storage().data_ptr()] = x.untyped_storage()
        return x

    handle = model.register_forward_hook(lambda *_: found.update(alive()))
    try:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            run()
    finally:
        handle.remove()
    return sum(storage.nbytes() for place, storage in found.items() if place not in before)
