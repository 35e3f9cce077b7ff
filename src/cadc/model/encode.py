"""From a pool row to tensors: chat template, answer mask, image tokens, batches.

The rendered conversation is cut where answers begin and end, and each piece is tokenized on its own. So the label mask
is exact by construction, and what the model is trained to continue is token for token what it is given at generation.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from transformers import ProcessorMixin

IMAGE_TOKEN = "<image>"
IGNORE = -100
#: Tensors whose first axis counts images or patches of the whole batch; others are per row.
_PER_IMAGE = ("pixel_values", "image_sizes", "image_grid_thw", "pixel_attention_mask")

#: What some processors say of every token (Qwen2-VL: text 0, image 1), beside its id.
_TOKEN_TYPES = "mm_token_type_ids"


def open_image(image: dict) -> Image.Image:
    """The RGB picture of a pool or benchmark cell {bytes, path}."""
    source = io.BytesIO(image["bytes"]) if image["bytes"] is not None else image["path"]
    with Image.open(source) as opened:
        return opened.convert("RGB")


def to_messages(turns: Sequence[dict[str, str]]) -> list[dict]:
    """LLaVA turns as chat messages: each `<image>` of a human turn becomes an image part, in place."""
    messages = []
    for turn in turns:
        parts: list[dict[str, str]] = []
        for i, piece in enumerate(turn["text"].split(IMAGE_TOKEN)):
            if i:
                parts.append({"type": "image"})
            if piece.strip():
                parts.append({"type": "text", "text": piece.strip()})
        messages.append({"role": turn["role"], "content": parts})
    return messages


def segments(processor: ProcessorMixin, messages: list[dict]) -> list[tuple[str, bool]]:
    """The rendered conversation in pieces (text, is_answer). Raises ValueError if the template rewrites earlier turns."""
    pieces, cursor = [], 0
    full = processor.apply_chat_template(messages, tokenize=False)
    for k, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        prompt = processor.apply_chat_template(messages[:k], tokenize=False, add_generation_prompt=True)
        upto = processor.apply_chat_template(messages[: k + 1], tokenize=False) if k + 1 < len(messages) else full
        if not (full.startswith(prompt) and full.startswith(upto)):
            raise ValueError("the chat template renders earlier turns differently once later ones follow; answers can't be masked")
        pieces += [(full[cursor : len(prompt)], False), (full[len(prompt) : len(upto)], True)]
        cursor = len(upto)
    return pieces


def encode(row: dict, processor: ProcessorMixin, max_length: int) -> dict[str, Any]:
    """One pool row as tensors.

    Returns input_ids and labels int64 [length] (labels are -100 outside answers), `row` if the row has one, and the
    processor's image tensors. Raises ValueError, naming the row, if it is longer than `max_length` tokens.
    """
    encoded = _tokenize(segments(processor, to_messages(row["turns"])), [open_image(image) for image in row["images"]], processor)
    if len(encoded["input_ids"]) > max_length:
        raise ValueError(f"row {row.get('id')}: {len(encoded['input_ids'])} tokens, above model.max_length={max_length}; raise it or shorten the row")
    return {**encoded, "row": row.get("row", -1)}


def encode_prompt(messages: list[dict], images: list[Image.Image], processor: ProcessorMixin) -> dict[str, Any]:
    """Chat messages that end with a user turn, as tensors to generate from; labels are all -100."""
    text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return {**_tokenize([(text, False)], images, processor), "row": -1}


def _tokenize(pieces: list[tuple[str, bool]], images: list[Image.Image], processor: ProcessorMixin) -> dict[str, Any]:
    """input_ids, labels and image tensors of rendered pieces, images used up in order."""
    ids: list[int] = []
    labels: list[int] = []
    types: list[int] = []
    extra: dict[str, torch.Tensor] = {}
    used = 0
    for text, is_answer in pieces:
        count = 0 if is_answer else text.count(getattr(processor, "image_token", IMAGE_TOKEN))
        if count:
            made = processor(text=[text], images=images[used : used + count], add_special_tokens=False, return_tensors="pt")
            piece = made["input_ids"][0].tolist()
            types += [0] * (len(ids) - len(types)) + (made[_TOKEN_TYPES][0].tolist() if _TOKEN_TYPES in made else [])
            for name in _PER_IMAGE:
                if name in made:
                    extra[name] = torch.cat([extra[name], made[name]], int(_tiled(name, made[name]))) if name in extra else made[name]
            used += count
        else:
            piece = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        ids += piece
        labels += piece if is_answer else [IGNORE] * len(piece)
    if any(types):
        extra[_TOKEN_TYPES] = torch.tensor(types + [0] * (len(ids) - len(types)))
    return {"input_ids": torch.tensor(ids), "labels": torch.tensor(labels), **extra}


def collate(encoded: Sequence[dict[str, Any]], pad_id: int, left: bool = False) -> dict[str, torch.Tensor]:
    """Pad and stack encoded rows.

    Returns input_ids, labels, attention_mask [batch, length], `row` [batch], `image_row` and `image_size` [images]
    (which row of the batch an image belongs to, and its number of patches, or 1 where all have the same) and the image
    tensors.
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
    if any(_TOKEN_TYPES in e for e in encoded):
        batch[_TOKEN_TYPES] = padded(_TOKEN_TYPES, 0)
    return batch | _image_tensors(encoded)


def pack(encoded: Sequence[dict[str, Any]], pad_id: int) -> dict[str, torch.Tensor]:
    """The same rows with several in one sequence: less padding, and each row sees itself alone.

    Positions start again at 0 with every row (and with the padding at the end), from which transformers builds the
    block-diagonal attention where no mask and no cache is given. Rows are placed longest first, each into the first
    sequence with room; none is longer than the longest row. Returns what `collate` does, with `position_ids` in place
    of `attention_mask`, images in the order of the packed rows.
    """
    order = sorted(range(len(encoded)), key=lambda i: -len(encoded[i]["input_ids"]))
    length = len(encoded[order[0]]["input_ids"])
    sequences: list[list[int]] = []
    room: list[int] = []
    for i in order:
        n = len(encoded[i]["input_ids"])
        k = next((k for k, free in enumerate(room) if free >= n), len(room))
        if k == len(room):
            sequences.append([])
            room.append(length)
        sequences[k].append(i)
        room[k] -= n
    shape = (len(sequences), length)
    ids, labels, positions = torch.full(shape, pad_id), torch.full(shape, IGNORE), torch.zeros(shape, dtype=torch.long)
    for k, members in enumerate(sequences):
        start = 0
        for i in members:
            stop = start + len(encoded[i]["input_ids"])
            ids[k, start:stop], labels[k, start:stop], positions[k, start:stop] = encoded[i]["input_ids"], encoded[i]["labels"], torch.arange(stop - start)
            start = stop
        positions[k, start:] = torch.arange(length - start)
    rows = [encoded[i] for members in sequences for i in members]
    batch = {"input_ids": ids, "labels": labels, "position_ids": positions, "row": torch.tensor([e["row"] for e in rows])}
    return batch | _image_tensors(rows)


def _tiled(name: str, tensor: torch.Tensor) -> bool:
    """Whether an image tensor has the axes [row, tile, ...] (Idefics3) and not [image or patch, ...]."""
    return tensor.ndim == 5 or name == "pixel_attention_mask"


def _image_sizes(encoded: dict[str, Any]) -> list[int]:
    """Patches of each image (Qwen2-VL), or 1 for each image or tile."""
    if "image_grid_thw" in encoded:
        return encoded["image_grid_thw"].prod(1).tolist()
    pixels = encoded.get("pixel_values", torch.empty(0))
    return [1] * (pixels.shape[1] if pixels.ndim == 5 else len(pixels))


def _image_tensors(rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Image tensors one after the other; those with an axis of tiles per row (Idefics3) one row each, padded with zeros."""
    out = {}
    for name in _PER_IMAGE:
        there = [e[name] for e in rows if name in e]
        if not there:
            continue
        if _tiled(name, there[0]):
            tiles = max(x.shape[1] for x in there)
            blank = there[0].new_zeros(1, tiles, *there[0].shape[2:])
            there = [torch.cat([e[name], blank[:, e[name].shape[1] :]], 1) if name in e else blank for e in rows]
        out[name] = torch.cat(there)
    return out


def model_inputs(batch: dict[str, torch.Tensor], device: torch.device, with_labels: bool = True) -> dict[str, torch.Tensor]:
    """What a model's forward takes of a batch, on `device`."""
    skip = {"row", "image_row", "image_size"} | (set() if with_labels else {"labels"})
    return {name: value.to(device) for name, value in batch.items() if name not in skip}


class EncodedRows(torch.utils.data.Dataset):
    """Pool rows encoded on first use and kept if `keep` (small pools: an epoch then costs no decoding)."""

    def __init__(self, table, processor: ProcessorMixin, max_length: int, keep: bool = True):
        self.table, self.processor, self.max_length, self.keep = table, processor, max_length, keep
        self._kept: dict[int, dict[str, Any]] = {}

    def __len__(self) -> int:
        return self.table.num_rows

    def __getitem__(self, row: int) -> dict[str, Any]:
        if row in self._kept:
            return self._kept[row]
        record = self.table.slice(row, 1).to_pylist()[0]
        encoded = encode({**record, "row": row}, self.processor, self.max_length)
        if self.keep:
            self._kept[row] = encoded
        return encoded
