"""Count the tokens of a row or question without decoding images: an image's tokens depend only on its size."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from PIL import Image
from transformers import ProcessorMixin

from cadc.data.pictures import Rule, Size, shown_size
from cadc.model.encode import TOKEN_TYPES


def size_of(image: dict, rule: Rule = "upright") -> Size:
    """The size of a pool cell {bytes, path} as shown, from its file's header. Raises InputError naming the path."""
    return shown_size(image, rule) if image["bytes"] is not None else _size_of_file(image["path"], rule)


@lru_cache(1 << 20)  # many rows may share a file
def _size_of_file(path: str | None, rule: Rule) -> Size:
    return shown_size({"bytes": None, "path": path}, rule)


class Counting:
    """A processor that takes sizes instead of images and returns only tokens. It processes one blank image per size."""

    def __init__(self, processor: ProcessorMixin):
        self._processor, self._made = processor, lru_cache(1 << 16)(self._make)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)

    def __call__(self, text: list[str], images: list[Size], **options) -> Mapping[str, Any]:
        return self._made(*text, *images, **options)

    def _make(self, text: str, size: Size, **options) -> Mapping[str, Any]:
        made = self._processor(text=[text], images=[Image.new("RGB", size)], **options)
        return {name: made[name] for name in ("input_ids", TOKEN_TYPES) if name in made}
