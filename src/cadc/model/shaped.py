"""Wrap a model's processor with rules for image shapes and texts: `model.aspect`, `pictures`, `text`.

`load_processor` applies the wrapper, so training, features, gradients and evaluation all encode rows and questions the
same way.
"""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image
from transformers import BatchFeature, ProcessorMixin

from cadc.config.errors import InputError
from cadc.config.model import Model
from cadc.data.pictures import Rule
from cadc.model.conversation import TextRule
from cadc.model.processors import SHAPES

_MOST = 178_956_970  # maximum pixels of a padded image, equal to the largest `pool.max_image_pixels`
Colour = tuple[int, int, int]


class Shaped:
    """A processor that pads images to a square if `aspect` says so, and holds the rules by which `encode` and
    `evaluation` open images and read texts. Everything else is delegated."""

    def __init__(self, processor: ProcessorMixin, params: Model):
        self._processor = processor
        self.text_rule: TextRule = params.text
        self.picture_rule: Rule = params.pictures
        self._ground = mean_colour(processor) if params.aspect == "pad" else None

    def __getattr__(self, name: str) -> Any:
        if name == "_processor":  # during copying, when it is not set yet
            raise AttributeError(name)
        return getattr(self._processor, name)

    def __call__(self, *args, images: list[Image.Image] | None = None, **options) -> BatchFeature:
        if images and self._ground is not None:
            images = [squared(image, self._ground) for image in images]
        return self._processor(*args, images=images, **options)


def shaped(processor: ProcessorMixin, params: Model) -> ProcessorMixin | Shaped:
    """The processor wrapped with `params`' rules; unchanged if these are the defaults."""
    own = params.aspect != "pad" and params.pictures == "upright" and params.text == "trimmed"
    return processor if own else Shaped(processor, params)


def squared(image: Image.Image, ground: Colour) -> Image.Image:
    """Centre an RGB image in a square of colour `ground`, as LLaVA's `expand2square`; a square image is unchanged.

    Raises InputError if the square would exceed the maximum number of pixels.
    """
    side = max(image.size)
    if image.width == image.height:
        return image
    if side * side > _MOST:
        raise InputError(f"padded to a square, it has {side}x{side} pixels, above {_MOST}")
    made = Image.new(image.mode, (side, side), ground)
    made.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return made


def mean_colour(processor: ProcessorMixin) -> Colour:
    """The processor's normalisation mean as 8-bit integers, rounded down (LLaVA). Raises InputError if it has none."""
    mean = getattr(getattr(processor, "image_processor", None), "image_mean", None)
    if not isinstance(mean, list | tuple) or len(mean) != 3:
        raise InputError(
            f"model.aspect: pad: {type(processor).__name__} has no mean colour (image_mean) to pad with; set "
            "model.aspect: processor"
        )
    red, green, blue = (int(value * 255) for value in mean)
    return red, green, blue


def aspect_options(params: Model) -> dict[str, Any]:
    """The processor's options under `model.aspect`; CLIP's centre crop is a processor option.

    Raises InputError if `model.processor` contradicts it.
    """
    said = params.processor.get("do_center_crop", True)
    if params.aspect != "crop":
        return params.processor
    if not said:
        raise InputError("model.aspect: crop contradicts model.processor: {do_center_crop: false}; remove one of them")
    return {**params.processor, "do_center_crop": True}


def check_aspect(processor: ProcessorMixin, aspect: str) -> None:
    """Raise InputError if `model.aspect` has no effect on the processor's output."""
    pictures = getattr(processor, "image_processor", None)
    name = type(pictures or processor).__name__
    tried = [Image.linear_gradient("L").convert("RGB").resize(shape) for shape in SHAPES]
    if aspect == "crop":
        switched = [[_tensors(pictures, image, do_center_crop=on) for image in tried] for on in (True, False)]
        if None in switched[0] or all(map(_equal, *switched)):
            raise InputError(f"model.aspect: crop: {name} does not crop; set model.aspect: processor")
    if aspect == "pad":
        ground = mean_colour(processor)
        if all(_equal(_tensors(pictures, image), _tensors(pictures, squared(image, ground))) for image in tried):
            raise InputError(f"model.aspect: pad: {name} already pads images itself; set model.aspect: processor")


def _tensors(pictures, image: Image.Image, **options) -> BatchFeature | None:
    """An image processor's output for an image; None if it rejects it."""
    try:
        return pictures(images=[image], return_tensors="pt", **options)
    except Exception:  # processors raise arbitrary errors; `check_picture` and `check_shapes` report them
        return None


def _equal(one: BatchFeature | None, other: BatchFeature | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
