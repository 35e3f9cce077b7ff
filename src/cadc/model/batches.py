"""Batch encoded rows: padded, or with several rows in one sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from cadc.compute import watch
from cadc.config.errors import InputError
from cadc.model.encode import IGNORE, PER_IMAGE, TOKEN_TYPES, tiled
from cadc.model.packing import shared_sequences


def collate(encoded: Sequence[dict[str, Any]], pad_id: int, left: bool = False) -> dict[str, torch.Tensor]:
    """Pad and stack encoded rows.

    Returns input_ids, labels, attention_mask [batch, length], `row` [batch], `image_row` and `image_size` [images] and
    the image tensors. `image_row` is the batch row that an image belongs to; `image_size` is its number of patches, or
    1 if all images have the same number.
    """
    length = max(len(e["input_ids"]) for e in encoded)

    def padded(name: str, fill: int) -> torch.Tensor:
        out = torch.full((len(encoded), length), fill)
        for i, e in enumerate(encoded):
            n = len(e["input_ids"])
            if name in e:
                out[i, length - n if left else 0 : length if left else n] = e[name]
        return out

    lengths = torch.tensor([len(e["input_ids"]) for e in encoded])[:, None]
    places = torch.arange(length)[None]
    batch = {
        "input_ids": padded("input_ids", pad_id),
        "labels": padded("labels", IGNORE),
        "attention_mask": ((places >= length - lengths) if left else (places < lengths)).long(),
        "row": torch.tensor([e["row"] for e in encoded]),
        "image_row": torch.tensor([i for i, e in enumerate(encoded) for _ in _image_sizes(e)], dtype=torch.long),
        "image_size": torch.tensor([size for e in encoded for size in _image_sizes(e)], dtype=torch.long),
    }
    if any(TOKEN_TYPES in e for e in encoded):
        batch[TOKEN_TYPES] = padded(TOKEN_TYPES, 0)
    return batch | _image_tensors(encoded)


def pack(encoded: Sequence[dict[str, Any]], pad_id: int) -> dict[str, torch.Tensor]:
    """Pack several rows into each sequence: less padding, and no row attends to another.

    Positions restart at 0 with every row (and with the padding at the end); from them, transformers builds
    block-diagonal attention if there is no mask and no cache. Returns what `collate` does, with `position_ids` instead
    of `attention_mask` and images in the order of the packed rows. Raises InputError for models whose positions have
    three axes (Qwen2-VL), because transformers separates packed rows by one-dimensional positions only.
    """
    if any(TOKEN_TYPES in e for e in encoded):
        raise InputError(
            "this model's positions have three axes, which can't separate packed rows; set model.packing: false"
        )
    sequences = shared_sequences([len(e["input_ids"]) for e in encoded])
    length = max(sum(len(encoded[i]["input_ids"]) for i in members) for members in sequences)
    shape = (len(sequences), length)
    ids, labels, positions = torch.full(shape, pad_id), torch.full(shape, IGNORE), torch.zeros(shape, dtype=torch.long)
    for k, members in enumerate(sequences):
        start = 0
        for i in members:
            stop = start + len(encoded[i]["input_ids"])
            ids[k, start:stop], labels[k, start:stop], positions[k, start:stop] = (
                encoded[i]["input_ids"],
                encoded[i]["labels"],
                torch.arange(stop - start),
            )
            start = stop
        positions[k, start:] = torch.arange(length - start)
    rows = [encoded[i] for members in sequences for i in members]
    batch = {
        "input_ids": ids,
        "labels": labels,
        "position_ids": positions,
        "row": torch.tensor([e["row"] for e in rows]),
    }
    return batch | _image_tensors(rows)


def _image_sizes(encoded: dict[str, Any]) -> list[int]:
    """Patches of each image (Qwen2-VL), or 1 for each image or tile."""
    if "image_grid_thw" in encoded:
        return encoded["image_grid_thw"].prod(1).tolist()
    pixels = encoded.get("pixel_values", torch.empty(0))
    return [1] * (pixels.shape[1] if pixels.ndim == 5 else len(pixels))


def _image_tensors(rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Concatenated image tensors. Those with a tile axis (Idefics3) have one entry per row, padded with zeros."""
    out = {}
    for name in PER_IMAGE:
        there = [e[name] for e in rows if name in e]
        if not there:
            continue
        if tiled(name, there[0]):
            tiles = max(x.shape[1] for x in there)
            blank = there[0].new_zeros(1, tiles, *there[0].shape[2:])
            there = [torch.cat([e[name], blank[:, e[name].shape[1] :]], 1) if name in e else blank for e in rows]
        out[name] = torch.cat(there)
    return out


def model_inputs(
    batch: dict[str, torch.Tensor], device: torch.device, with_labels: bool = True
) -> dict[str, torch.Tensor]:
    """The inputs of a model's forward pass, on `device`. Also reports progress to the watchdog."""
    watch.beat()
    skip = {"row", "image_row", "image_size"} | (set() if with_labels else {"labels"})
    return {name: value.to(device) for name, value in batch.items() if name not in skip}
