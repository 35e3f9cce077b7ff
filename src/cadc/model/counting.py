"""Tokens of rows without their pictures: these hang on a picture's size alone, so a blank one of each size is shown to
the processor once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from PIL import Image
from transformers import ProcessorMixin

from cadc.data.pictures import Size, upright_size
from cadc.model.encode import TOKEN_TYPES


def size_of(image: dict) -> Size:
    """The upright size of a pool cell {bytes, path}, from its file's head. Raises InputError naming the path."""
    return upright_size(image) if image["bytes"] is not None else _size_of_file(image["path"])


@lru_cache(1 << 20)  # many rows may show one file
def _size_of_file(path: str | None) -> Size:
    return upright_size({"bytes": None, "path": path})


class Counting:
    """A processor that is shown sizes in place of pictures, and makes their tokens alone."""

    def __init__(self, processor: ProcessorMixin):
        self._processor, self._made = processor, lru_cache(1 << 16)(self._make)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)

    def __call__(self, text: list[str], images: list[Size], **options) -> Mapping[str, Any]:
        return self._made(*text, *images, **options)

    def _make(self, text: str, size: Size, **options) -> Mapping[str, Any]:
        made = self._processor(text=[text], images=[Image.new("RGB", size)], **options)
        return {name: made[name] for name in ("input_ids", TOKEN_TYPES) if name in made}
