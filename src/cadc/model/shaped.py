"""What a model is shown of a picture's shape, and by which rules its rows are read: `model.aspect`, `pictures`, `text`.

`load_processor` puts them around the model's own processor, so that training, features, gradients and evaluation, which
all turn rows and questions into tensors by it, see the same.
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

_MOST = 178_956_970  # pixels of a padded picture: as many as `pool.max_image_pixels` may let in
Colour = tuple[int, int, int]


class Shaped:
    """A processor that is shown pictures padded to a square where `aspect` says so, and that knows the rules by which
    `encode` and `evaluation` open pictures and read texts. All else is the processor's own."""

    def __init__(self, processor: ProcessorMixin, params: Model):
        self._processor = processor
        self.text_rule: TextRule = params.text
        self.picture_rule: Rule = params.pictures
        self._ground = mean_colour(processor) if params.aspect == "pad" else None

    def __getattr__(self, name: str) -> Any:
        if name == "_processor":  # while it is copied
            raise AttributeError(name)
        return getattr(self._processor, name)

    def __call__(self, *args, images: list[Image.Image] | None = None, **options) -> BatchFeature:
        if images and self._ground is not None:
            images = [squared(image, self._ground) for image in images]
        return self._processor(*args, images=images, **options)


def shaped(processor: ProcessorMixin, params: Model) -> ProcessorMixin | Shaped:
    """The processor with what `params` say beside its options; itself, where they leave all to it."""
    own = params.aspect != "pad" and params.pictures == "upright" and params.text == "trimmed"
    return processor if own else Shaped(processor, params)


def squared(image: Image.Image, ground: Colour) -> Image.Image:
    """An RGB picture in the middle of a square of colour `ground`, as LLaVA's `expand2square`; a square stays.

    Raises InputError where the square would be larger than any picture that is opened.
    """
    side = max(image.size)
    if image.width == image.height:
        return image
    if side * side > _MOST:
        raise InputError(f"padded to a square it has {side}x{side} pixels, above {_MOST}")
    made = Image.new(image.mode, (side, side), ground)
    made.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return made


def mean_colour(processor: ProcessorMixin) -> Colour:
    """The mean by which a processor normalises, in whole steps of 255, rounded down (LLaVA). Raises InputError where it
    has none."""
    mean = getattr(getattr(processor, "image_processor", None), "image_mean", None)
    if not isinstance(mean, list | tuple) or len(mean) != 3:
        raise InputError(
            f"model.aspect: pad: {type(processor).__name__} has no mean colour (image_mean) to pad with; set "
            "model.aspect: processor"
        )
    red, green, blue = (int(value * 255) for value in mean)
    return red, green, blue


def aspect_options(params: Model) -> dict[str, Any]:
    """The processor's options under `model.aspect`: CLIP's centre crop is an option of its own.

    Raises InputError where `model.processor` says otherwise.
    """
    said = params.processor.get("do_center_crop", True)
    if params.aspect != "crop":
        return params.processor
    if not said:
        raise InputError("model.aspect: crop, and model.processor: {do_center_crop: false}; take one of them out")
    return {**params.processor, "do_center_crop": True}


def check_aspect(processor: ProcessorMixin, aspect: str) -> None:
    """Raise InputError where `model.aspect` changes nothing in what the processor makes of pictures."""
    pictures = getattr(processor, "image_processor", None)
    name = type(pictures or processor).__name__
    tried = [Image.linear_gradient("L").convert("RGB").resize(shape) for shape in SHAPES]
    if aspect == "crop":
        switched = [[_tensors(pictures, image, do_center_crop=on) for image in tried] for on in (True, False)]
        if None in switched[0] or all(map(_equal, *switched)):
            raise InputError(f"model.aspect: crop: {name} crops nothing; set model.aspect: processor")
    if aspect == "pad":
        ground = mean_colour(processor)
        if all(_equal(_tensors(pictures, image), _tensors(pictures, squared(image, ground))) for image in tried):
            raise InputError(f"model.aspect: pad: {name} pads pictures itself; set model.aspect: processor")


def _tensors(pictures, image: Image.Image, **options) -> BatchFeature | None:
    """What an image processor makes of a picture; None where it refuses it."""
    try:
        return pictures(images=[image], return_tensors="pt", **options)
    except Exception:  # processors raise what they like; `check_picture` and `check_shapes` say so
        return None


def _equal(one: BatchFeature | None, other: BatchFeature | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
