"""Shapes of published models: their configs, so that a machine without these models can still count their parameters.

From the `config.json` of each hub repository, shortened to what shapes depend on. `image_tokens` is what the model's
processor makes by default of a picture of 640 x 480 pixels, COCO's commonest size.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    Idefics3Config,
    LlavaConfig,
    PretrainedConfig,
    Qwen2VLConfig,
)
from transformers.initialization import no_init_weights

from cadc.config.errors import InputError
from cadc.config.params import Model
from cadc.model.load import add_lora, first_line, trainable

_CLIP_L_336 = {"model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096,
               "num_hidden_layers": 24, "num_attention_heads": 16, "image_size": 336, "patch_size": 14}  # fmt: skip


def _vicuna(width: int, inner: int, layers: int, heads: int) -> dict:
    return {"model_type": "llama", "vocab_size": 32064, "hidden_size": width, "intermediate_size": inner,
            "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": heads}  # fmt: skip


#: hub id -> config class, its arguments, tokens of a picture
_PUBLISHED: dict[str, tuple[type[PretrainedConfig], dict, int]] = {
    "llava-hf/llava-1.5-7b-hf": (
        LlavaConfig, {"text_config": _vicuna(4096, 11008, 32, 32), "vision_config": _CLIP_L_336}, 576,
    ),
    "llava-hf/llava-1.5-13b-hf": (
        LlavaConfig, {"text_config": _vicuna(5120, 13824, 40, 40), "vision_config": _CLIP_L_336}, 576,
    ),
    "HuggingFaceTB/SmolVLM-256M-Instruct": (
        Idefics3Config,
        {
            "scale_factor": 4,
            "text_config": {"model_type": "llama", "vocab_size": 49280, "hidden_size": 576, "intermediate_size": 1536,
                            "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3},
            "vision_config": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
                              "num_attention_heads": 12, "image_size": 512, "patch_size": 16},
        },
        13 * 64,  # 4 x 3 tiles and the whole picture
    ),
    "HuggingFaceTB/SmolVLM-Instruct": (
        Idefics3Config,
        {
            "scale_factor": 3,
            "text_config": {"model_type": "llama", "vocab_size": 49155, "hidden_size": 2048, "intermediate_size": 8192,
                            "num_hidden_layers": 24, "num_attention_heads": 32, "num_key_value_heads": 32},
            "vision_config": {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27,
                              "num_attention_heads": 16, "image_size": 384, "patch_size": 14},
        },
        13 * 81,
    ),
    "Qwen/Qwen2-VL-7B-Instruct": (
        Qwen2VLConfig,
        {
            "text_config": {"vocab_size": 152064, "hidden_size": 3584, "intermediate_size": 18944,
                            "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
                            "rope_parameters": {"rope_type": "default", "mrope_section": [16, 24, 24],
                                                "rope_theta": 1e6}},
            "vision_config": {"depth": 32, "embed_dim": 1280, "hidden_size": 3584, "num_heads": 16, "mlp_ratio": 4,
                              "patch_size": 14},
        },
        391,  # 23 x 17 merged patches of 28 pixels
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Size:
    """A model's shapes: parameters (all, and of its LoRA); width, layers and vocabulary of its language model; tokens
    of a picture.
    """

    parameters: int
    lora: int
    width: int
    layers: int
    vocabulary: int
    image_tokens: int
    adapted: frozenset[str]  # names of modules with LoRA, numbers left out


def config_of(path: str) -> PretrainedConfig | None:
    """The config of a model, by its own file where that is at hand, else the published one; None where neither is."""
    try:
        return AutoConfig.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError):
        if path not in _PUBLISHED:
            return None
        kind, arguments, _ = _PUBLISHED[path]
        return kind(**copy.deepcopy(arguments))


def size_of(model: Model) -> Size | None:
    """The size of `model`, by its own config where that is at hand, else by the published one; None where neither is.

    The model is laid out without memory, so that LoRA's targets are tried on its real modules. Raises InputError where
    they match none, and where `model` reads no images.
    """
    try:
        config, tokens = AutoConfig.from_pretrained(model.path, local_files_only=True), None
    except (OSError, ValueError):
        if model.path not in _PUBLISHED:
            return None
        kind, arguments, tokens = _PUBLISHED[model.path]
        config = kind(**arguments)
    vision = getattr(config, "vision_config", None)
    if vision is None:
        raise InputError(f"model.path: {model.path} has no vision tower; give an image-text-to-text model")
    if tokens is None:
        tokens = (
            _PUBLISHED[model.path][2]
            if model.path in _PUBLISHED
            else (getattr(vision, "image_size", 336) // getattr(vision, "patch_size", 14)) ** 2
        )
    with torch.device("meta"), no_init_weights():
        try:
            base = AutoModelForImageTextToText.from_config(config)
        except ValueError as error:
            raise InputError(
                f"model.path: {model.path} is no image-text-to-text model ({first_line(error)})"
            ) from error
        laid_out = add_lora(base.requires_grad_(False), model.lora, 0)
    lora = trainable(laid_out)
    text = config.get_text_config()
    return Size(
        parameters=sum(p.numel() for p in laid_out.parameters()) - sum(p.numel() for p in lora.values()),
        lora=sum(p.numel() for p in lora.values()),
        width=text.hidden_size,
        layers=text.num_hidden_layers,
        vocabulary=text.vocab_size,
        image_tokens=tokens,
        adapted=frozenset(
            ".".join(part for part in name.split(".") if not part.isdigit()).split(".lora_")[0] for name in lora
        ),
    )
