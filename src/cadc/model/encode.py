"""Encode pool rows as tensors: tokens of the conversation with image tokens in place, and labels.

The processor gets images one at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import ProcessorMixin

from cadc.config.errors import InputError
from cadc.data.pictures import Rule, open_image
from cadc.data.wording import IMAGE_TOKEN
from cadc.model.conversation import TextRule, rendered, to_messages, tokens_of
from cadc.model.processors import tensors_of

IGNORE = -100
#: Tensors whose first axis counts the images or patches of a batch; others have one entry per row.
PER_IMAGE = ("pixel_values", "image_sizes", "image_grid_thw", "pixel_attention_mask")

#: Token types that some processors return (Qwen2-VL: text 0, image 1) for positions with three axes.
TOKEN_TYPES = "mm_token_type_ids"
#: Tensors with one number per token.
PER_TOKEN = ("input_ids", "labels", TOKEN_TYPES)

KEPT_BYTES = 1 << 31  # cache of encoded rows or prompts per process; a row of LLaVA-1.5 has 1.4 MB of pixels


def text_rule(processor: ProcessorMixin) -> TextRule:
    """The processor's text rule (`model.text`); `trimmed` for a bare processor."""
    return getattr(processor, "text_rule", "trimmed")


def picture_rule(processor: ProcessorMixin) -> Rule:
    """The processor's image rule (`model.pictures`); `upright` for a bare processor."""
    return getattr(processor, "picture_rule", "upright")


def encode(
    row: dict, processor: ProcessorMixin, max_length: int, cut: bool = False, opened: Callable = open_image
) -> dict[str, Any]:
    """Encode one pool row as tensors, by the processor's text and image rules (see `shaped`).

    Returns input_ids and labels int64 [length] (labels are -100 outside answers), `row` (-1 if the row has none) and
    the processor's image tensors. With `cut`, as in LLaVA's training, tokens beyond `max_length` are dropped, and `was`
    is the original length. `opened` turns an image cell and a rule into the processor's input. Raises InputError naming
    the row if it is too long without `cut`, if `cut` would drop an image or all answers, if there is nothing to train
    on, or if template or processor reject it.
    """
    try:
        messages = to_messages(row["turns"], text_rule(processor), bool(row["images"]))
        images = [opened(image, picture_rule(processor)) for image in row["images"]]
        encoded, images_end = _tokenize(rendered(processor, messages), images, processor)
    except ValueError as error:
        raise InputError(f"row {row.get('id')}: {error}") from error
    length, learnt = len(encoded["input_ids"]), (encoded["labels"] != IGNORE).nonzero()
    if not len(learnt):
        raise InputError(f"row {row.get('id')}: nothing to train on, because its answers are empty; remove the row")
    if length > max_length:
        above = f"row {row.get('id')}: {length} tokens, above model.max_length={max_length}"
        if not cut:
            raise InputError(f"{above}; raise it, shorten the row, or set model.long_rows: cut")
        if images_end > max_length:
            raise InputError(
                f"{above}, and its images end at token {images_end}, so they would be cut; raise it or remove the row"
            )
        answer = int(learnt[0])
        if answer >= max_length:
            raise InputError(
                f"{above}, and its first answer begins after token {answer}, so nothing to train on would be left; "
                "raise it, shorten the question, or remove the row"
            )
        for name in PER_TOKEN:
            if name in encoded:
                encoded[name] = encoded[name][:max_length]
        encoded["was"] = length
    return {**encoded, "row": row.get("row", -1)}


def encode_prompt(messages: list[dict], images: list[Image.Image], processor: ProcessorMixin) -> dict[str, Any]:
    """Chat messages that end with a user turn, encoded for generation; labels are all -100."""
    encoded, _ = _tokenize(rendered(processor, messages), images, processor)
    return {**encoded, "labels": torch.full_like(encoded["labels"], IGNORE), "row": -1}


def prompt(processor: ProcessorMixin, text: str, images: list[Image.Image]) -> dict[str, Any]:
    """One user turn, images first, encoded for generation."""
    content = [{"type": "image"} for _ in images] + [{"type": "text", "text": text}]
    return encode_prompt([{"role": "user", "content": content}], images, processor)


def _tokenize(
    pieces: list[tuple[str, bool]], images: list[Image.Image], processor: ProcessorMixin
) -> tuple[dict[str, Any], int]:
    """input_ids, labels and image tensors of rendered pieces, and where the last image ends.

    Images are consumed in order: each image token is replaced by the processor's tokens for the image.
    """
    tokenizer, mark = processor.tokenizer, getattr(processor, "image_token", IMAGE_TOKEN)
    mark_id = tokenizer.convert_tokens_to_ids(mark)
    tokens = tokens_of(tokenizer, pieces, mark if text_rule(processor) == "llava" else None)
    n_marks = sum(token == mark_id for token, _ in tokens)
    if n_marks != len(images):
        raise InputError(
            f"{mark!r} occurs {n_marks} times in the rendered text, but the row has {len(images)} image(s); "
            "fix the chat template, or remove it from the text"
        )
    shown = iter([tensors_of(processor, image) for image in images])
    ids, labels, types, extra, images_end = [], [], [], {}, 0
    for token, learnt in tokens:
        if token != mark_id:
            ids.append(token)
            labels.append(token if learnt else IGNORE)
            types.append(0)
            continue
        made = next(shown)
        ids += made["input_ids"][0].tolist()
        types += made[TOKEN_TYPES][0].tolist() if TOKEN_TYPES in made else [0] * made["input_ids"].shape[1]
        labels += [IGNORE] * made["input_ids"].shape[1]
        images_end = len(ids)
        for name in PER_IMAGE:
            if name in made:
                # Idefics3's int64 pixel mask takes 40% of a row; the model only tests whether it is zero
                tensor = made[name].bool() if name == "pixel_attention_mask" else made[name]
                extra[name] = torch.cat([extra[name], tensor], int(tiled(name, tensor))) if name in extra else tensor
    if _has_token_types(processor):
        extra[TOKEN_TYPES] = torch.tensor(types)
    return {"input_ids": torch.tensor(ids), "labels": torch.tensor(labels), **extra}, images_end


@lru_cache(maxsize=4)
def _has_token_types(processor: ProcessorMixin) -> bool:
    return TOKEN_TYPES in processor.model_input_names  # also for text-only rows: `pack` detects the model by it


def tiled(name: str, tensor: torch.Tensor) -> bool:
    """Whether an image tensor has the axes [row, tile, ...] (Idefics3) instead of [image or patch, ...]."""
    return tensor.ndim == 5 or name == "pixel_attention_mask"


def bytes_of(encoded: dict[str, Any]) -> int:
    """The memory of an encoded row in bytes."""
    return sum(value.nbytes for value in encoded.values() if isinstance(value, torch.Tensor))


class EncodedRows(torch.utils.data.Dataset):
    """Pool rows, encoded on first use. With `keep`, they are cached up to `KEPT_BYTES`, so that a small pool is decoded
    once.

    `cut` {row: tokens}: original lengths of the rows that were cut to `max_length` under `model.long_rows: cut`.
    """

    def __init__(self, table, processor: ProcessorMixin, max_length: int, keep: bool = True, long_rows: str = "fail"):
        self.table, self.processor, self.max_length, self.keep, self.long_rows = (
            table,
            processor,
            max_length,
            keep,
            long_rows,
        )
        self.cut: dict[int, int] = {}
        self._kept: dict[int, dict[str, Any]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return self.table.num_rows

    def __contains__(self, row: int) -> bool:
        """Whether a row is cached."""
        return row in self._kept

    @property
    def has_room(self) -> bool:
        """Whether the next row will be cached."""
        return self.keep and self._bytes < KEPT_BYTES

    def ids(self, which: np.ndarray) -> list[str]:
        """The ids of rows `which` int [n], as used in messages."""
        return [f"id {name}" for name in self.table["id"].take(which).to_pylist()]

    def record(self, row: int) -> dict[str, Any]:
        """A row as stored in the pool."""
        return self.table.slice(row, 1).to_pylist()[0]

    def __getitem__(self, row: int) -> dict[str, Any]:
        if row in self._kept:
            return self._kept[row]
        encoded = encode({**self.record(row), "row": row}, self.processor, self.max_length, self.long_rows == "cut")
        if "was" in encoded:
            self.cut[row] = encoded.pop("was")
        if self.has_room:
            self._kept[row] = encoded
            self._bytes += bytes_of(encoded)
        return encoded

    def summary(self) -> str:
        """A sentence on the number of rows cut so far; empty if there are none."""
        return (
            f"{len(self.cut)} rows above model.max_length={self.max_length} tokens were cut "
            f"(longest: {max(self.cut.values())})"
            if self.cut
            else ""
        )
