"""Check a processor when it is loaded, without its model's weights, rather than failing in a forward pass."""

from __future__ import annotations

from typing import Any

import torch
from jinja2 import TemplateError
from PIL import Image
from transformers import AutoModel, BatchFeature, PretrainedConfig, ProcessorMixin

from cadc.config.errors import InputError, first_line
from cadc.data.wording import IMAGE_TOKEN

SHAPES = ((300, 200), (24, 40), (96, 32))  # image sizes for trying options
_SIZES = ("crop_size", "pad_size")


def check_options(processor: ProcessorMixin, published: ProcessorMixin, options: dict[str, Any]) -> None:
    """Raise InputError naming `options` that no part of the processor knows, and switches and sizes that have no
    effect.

    An image processor inherits options that it does not use: CLIP's `do_pad` pads to the largest image of a batch, but
    here images come one at a time. A switch (`do_...`) is tried both ways; the size of a crop or of padding is doubled.
    Both are tried in `processor`, which has all options, and in the `published` one, because options may compensate
    each other.
    """
    parts = [part for part in (processor, getattr(processor, "image_processor", None)) if part is not None]
    unknown = [name for name in options if not any(_takes(part, name) for part in parts)]
    if unknown:
        raise InputError(
            f"model.processor: {', '.join(unknown)}: unknown option of "
            f"{', '.join(type(part).__name__ for part in parts)}"
        )
    tried = [made.image_processor for made in (processor, published) if len(parts) > 1]
    idle = [
        name
        for name, value in options.items()
        if tried and _takes(tried[0], name) and all(_idle(pictures, name, value) for pictures in tried)
    ]
    if idle:
        raise InputError(
            f"model.processor: {', '.join(idle)}: has no effect in {type(tried[0]).__name__}; remove it, or add the "
            "option that it needs (do_pad: pad_size, crop_size: do_center_crop)"
        )


def _takes(part, option: str) -> bool:
    """Whether a processor or image processor has an option of this name."""
    return hasattr(part, option) or option in getattr(getattr(part, "valid_kwargs", None), "__annotations__", {})


def _idle(pictures: Any, option: str, value: Any) -> bool:
    """Whether `value` for a switch or a size gives the same result as another value for all test images."""
    if option.startswith("do_") and isinstance(value, bool):
        other: bool | dict = not value
    elif option in _SIZES and isinstance(value, dict):
        other = {side: 2 * length for side, length in value.items()}
    else:
        return False
    shown = [Image.linear_gradient("L").resize(shape) for shape in SHAPES]  # grey, for do_convert_rgb
    shown += [picture.convert("RGB") for picture in shown]
    return all(_same(pictures, picture, option, value, other) for picture in shown)


def _same(pictures, picture: Image.Image, option: str, *values) -> bool:
    try:
        made = [pictures(images=[picture], return_tensors="pt", **{option: value}) for value in values]
    except Exception:  # an option that makes it fail is an option that it uses
        return False
    return made[0].keys() == made[1].keys() and all(torch.equal(made[0][name], made[1][name]) for name in made[0])


def check_template(processor: ProcessorMixin, path: str) -> None:
    """Raise InputError if the processor has no usable chat template."""
    try:
        processor.apply_chat_template([{"role": "user", "content": [{"type": "text", "text": "a"}]}], tokenize=False)
    except (ValueError, TypeError, TemplateError) as error:
        raise InputError(
            f"the processor of {path} has no usable chat template ({first_line(error)}); set "
            "model.chat_template to a file, or save the processor with its template"
        ) from error


def check_features(processor: ProcessorMixin, config: PretrainedConfig, path: str) -> None:
    """Raise InputError if a LLaVA-type processor counts other image tokens than its vision tower produces.

    It counts them from its own options patch_size, vision_feature_select_strategy and num_additional_image_tokens,
    which older conversions lack. The config and the tower's shape, computed on torch's meta device, give the right
    values.
    """
    if not hasattr(processor, "num_additional_image_tokens"):
        return
    vision = getattr(config, "vision_config", None)
    right = {
        "patch_size": getattr(vision, "patch_size", None),
        "vision_feature_select_strategy": getattr(config, "vision_feature_select_strategy", None),
        "num_additional_image_tokens": _additional(vision),
    }
    wrong = {
        name: value for name, value in right.items() if value is not None and getattr(processor, name, value) != value
    }
    if wrong:
        said = ", ".join(f"{name} {getattr(processor, name)!r} but the model has {wrong[name]!r}" for name in wrong)
        given = ", ".join(f"{name}: {value}" for name, value in wrong.items())
        raise InputError(f"the processor of {path} has {said}; set model.processor: {{{given}}}")


def _additional(vision: PretrainedConfig | None) -> int | None:
    """Tokens of a vision tower in addition to its patches (CLIP's class token: 1); None if its shape does not tell."""
    try:
        with torch.device("meta"):
            tower = AutoModel.from_config(vision)
            shown = torch.empty(1, vision.num_channels, vision.image_size, vision.image_size)
            n_tokens = tower(pixel_values=shown).last_hidden_state.shape[1]
        return n_tokens - (vision.image_size // vision.patch_size) ** 2
    except Exception:  # a tower that needs more than pixels is not LLaVA-type
        return None


def check_shapes(processor: ProcessorMixin, min_side: int, max_ratio: float) -> None:
    """Raise InputError if the processor rejects the smallest or most elongated images that the pool's rules allow."""
    long = int(min_side * max_ratio)
    for shape in ((min_side, min_side), (min_side, long), (long, min_side)):
        tensors_of(processor, Image.new("RGB", shape))


def tensors_of(processor: ProcessorMixin, image: Image.Image) -> BatchFeature:
    """One image's tokens (input_ids) and tensors. Raises InputError with its size if the processor rejects it."""
    mark = getattr(processor, "image_token", IMAGE_TOKEN)
    try:
        return processor(text=[mark], images=[image], add_special_tokens=False, return_tensors="pt")
    except Exception as error:  # processors raise arbitrary errors
        raise InputError(
            f"{class_name(processor)} rejects an image of {image.width}x{image.height} pixels "
            f"({type(error).__name__}: {first_line(error)}); exclude such images with pool.min_image_side and "
            "pool.max_image_ratio, or correct model.processor"
        ) from error


def class_name(processor: ProcessorMixin) -> str:
    """The class name of a processor, without wrappers."""
    while (inner := getattr(processor, "_processor", None)) is not None:
        processor = inner
    return type(processor).__name__


def check_picture(processor: ProcessorMixin, config: PretrainedConfig, path: str) -> None:
    """Raise InputError if the processor can't process an image, or if it returns another size than a CLIP-like tower
    takes."""
    made = tensors_of(processor, Image.new("RGB", (64, 48)))
    side = getattr(getattr(config, "vision_config", None), "image_size", None)
    if hasattr(processor, "num_additional_image_tokens") and isinstance(side, int):
        given = tuple(made["pixel_values"].shape[-2:])
        if given != (side, side):
            raise InputError(
                f"the processor of {path} makes images of {given[0]}x{given[1]} pixels, but the model's vision "
                f"tower takes {side}x{side}; set model.processor: {{size: ..., crop_size: ...}}"
            )
