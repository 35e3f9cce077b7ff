"""Configs of published models, so that parameters can be counted on a machine without these models.

From the `config.json` of each hub repository, reduced to what determines shapes. A `Picture` is what the model's
processor produces by default from an image of 640 x 480 pixels, the most common size in COCO.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import try_to_load_from_cache
from PIL import Image
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    Idefics3Config,
    LlavaConfig,
    PretrainedConfig,
    Qwen2VLConfig,
)
from transformers.initialization import no_init_weights

from cadc.config.errors import InputError, first_line
from cadc.config.params import Lora, Model
from cadc.model.load import add_lora, is_whole, load_processor, trainable, unfrozen
from cadc.model.processors import tensors_of

_CLIP_L_336 = {"model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096,
               "num_hidden_layers": 24, "num_attention_heads": 16, "image_size": 336, "patch_size": 14}  # fmt: skip


def _vicuna(width: int, inner: int, layers: int, heads: int) -> dict:
    return {"model_type": "llama", "vocab_size": 32064, "hidden_size": width, "intermediate_size": inner,
            "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": heads}  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A processed image: tokens for the language model, patches for the tower, numbers in the pixel tensor."""

    tokens: int
    patches: int
    pixels: int


def _tiles(tiles: int, tokens: int, side: int, patch: int) -> Picture:
    """An image as `tiles` squares of `side` pixels, with `tokens` tokens each."""
    return Picture(tiles * tokens, tiles * (side // patch) ** 2, 3 * tiles * side**2)


#: hub id -> config class, its arguments, and a processed image of 640 x 480 pixels
_PUBLISHED: dict[str, tuple[type[PretrainedConfig], dict, Picture]] = {
    "llava-hf/llava-1.5-7b-hf": (
        LlavaConfig, {"text_config": _vicuna(4096, 11008, 32, 32), "vision_config": _CLIP_L_336},
        _tiles(1, 576, 336, 14),
    ),
    "llava-hf/llava-1.5-13b-hf": (
        LlavaConfig, {"text_config": _vicuna(5120, 13824, 40, 40), "vision_config": _CLIP_L_336},
        _tiles(1, 576, 336, 14),
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
        _tiles(13, 64, 512, 16),  # 4 x 3 tiles and the whole image
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
        _tiles(13, 81, 384, 14),
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
        Picture(391, 4 * 391, 4 * 391 * 14**2 * 3 * 2),  # 23 x 17 merged patches of 28 pixels, twice as two frames
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Size:
    """A model's shapes.

    parameters: all; tower: in the vision tower; looked_up: in an input embedding that is not tied to the output; lora:
    in LoRA and fully trained layers, of which in_tower are in the tower; full: named by `finetune.full`. width, inner
    (of the MLP), heads (width of all queries), layers and vocabulary of the language model; tower_width, tower_layers;
    adapted: names of modules with LoRA, without numbers; largest: elements of the largest parameter in `lora`; dropout:
    whether LoRA uses it in training; whole: input and output widths of fully trained layers (a connector's), per image
    token.
    """

    parameters: int
    tower: int
    looked_up: int
    lora: int
    in_tower: int
    largest: int
    rank: int
    width: int
    inner: int
    heads: int
    layers: int
    vocabulary: int
    tower_width: int
    tower_layers: int
    picture: Picture
    adapted: frozenset[str]
    full: int = 0
    dropout: bool = False
    whole: int = 0


def config_of(path: str) -> PretrainedConfig | None:
    """A model's config: from its own file if available, else the published one; None if neither exists."""
    try:
        return AutoConfig.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError):
        if path not in _PUBLISHED:
            return None
        kind, arguments, _ = _PUBLISHED[path]
        return kind(**copy.deepcopy(arguments))


def picture_of(model: Model, config: PretrainedConfig) -> Picture:
    """What `model` makes of an image of 640 x 480 pixels.

    From its processor if available, else as published, else as if the image were one square for the tower.
    """
    cached = None if Path(model.path).is_dir() else try_to_load_from_cache(model.path, "preprocessor_config.json")
    if not Path(model.path).is_dir() and not isinstance(cached, str):
        vision = config.vision_config
        side, patch = getattr(vision, "image_size", 336), getattr(vision, "patch_size", 14)
        return _PUBLISHED[model.path][2] if model.path in _PUBLISHED else _tiles(1, (side // patch) ** 2, side, patch)
    made = tensors_of(load_processor(model), Image.new("RGB", (640, 480)))
    pixels, grid = made["pixel_values"], made.get("image_grid_thw")
    patches = pixels.numel() // (3 * config.vision_config.patch_size**2) if grid is None else int(grid.prod())
    return Picture(made["input_ids"].shape[1], patches, pixels.numel())


def size_of(model: Model, full: str | None = None) -> Size | None:
    """The size of `model` and of its part named by `full` (`finetune.full`), from its own config if available, else
    from the published one; None if neither exists.

    Raises InputError as `laid_out` does, and if `model` has no vision tower.
    """
    config = config_of(model.path)
    if config is None:
        return None
    if getattr(config, "vision_config", None) is None:
        raise InputError(f"model.path: {model.path} has no vision tower; give an image-text-to-text model")
    return laid_out(config, model.lora, picture_of(model, config), model.path, full)


def laid_out(config: PretrainedConfig, lora: Lora, picture: Picture, path: str = "", full: str | None = None) -> Size:
    """The size of a model of `config`, built on the meta device, so that LoRA's targets and `full` are matched against
    its real modules.

    Raises InputError if they match none, or if `config` is not of an image-text-to-text model.
    """
    with torch.device("meta"), no_init_weights():
        try:
            base = AutoModelForImageTextToText.from_config(config)
        except ValueError as error:
            raise InputError(f"model.path: {path} is not an image-text-to-text model ({first_line(error)})") from error
        n_full = sum(p.numel() for p in trainable(unfrozen(base.requires_grad_(False), full)).values()) if full else 0
        model = add_lora(base.requires_grad_(False), lora, 0)
    adapters, text, vision = trainable(model), config.get_text_config(), config.vision_config
    own = {name: p.numel() for name, p in model.named_parameters() if "lora_" not in name and not is_whole(name)}
    tied = base.get_output_embeddings().weight is base.get_input_embeddings().weight
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear)}
    whole = [layer for name, layer in layers.items() if is_whole(f"{name}.weight")]
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return Size(
        parameters=sum(own.values()),
        tower=sum(n for name, n in own.items() if in_tower(name)),
        looked_up=0 if tied else base.get_input_embeddings().weight.numel(),
        lora=sum(p.numel() for p in adapters.values()),
        in_tower=sum(p.numel() for name, p in adapters.items() if in_tower(name)),
        largest=max(p.numel() for p in adapters.values()),
        rank=lora.rank,
        width=text.hidden_size,
        inner=getattr(text, "intermediate_size", 4 * text.hidden_size),
        heads=text.num_attention_heads * head,
        layers=text.num_hidden_layers,
        vocabulary=text.vocab_size,
        tower_width=getattr(vision, "embed_dim", vision.hidden_size),
        tower_layers=getattr(vision, "num_hidden_layers", None) or vision.depth,
        picture=picture,
        adapted=frozenset(
            ".".join(part for part in name.split(".") if not part.isdigit()).split(".lora_")[0] for name in adapters
        ),
        full=n_full,
        dropout=lora.dropout > 0,
        whole=sum(layer.in_features + layer.out_features for layer in whole),
    )


def in_tower(name: str) -> bool:
    """Whether a parameter processes patches; a connector processes merged patches, one per token."""
    return bool(re.search(r"vision_tower|vision_model|visual\.(blocks|patch_embed)", name))
