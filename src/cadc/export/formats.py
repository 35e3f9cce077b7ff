"""Trainers' formats: each format's record of a row, and its files.

docs/own_data.md lists the schemas and the trainer versions that they were tested with.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from cadc.artifacts import whole, write_json
from cadc.data.wording import IMAGE_TOKEN

_GROUP_ROWS, _GROUP_BYTES = 1000, 1 << 27  # a parquet row group ends with the row that reaches either limit
_PARTS = datasets.List({"type": datasets.Value("string"), "text": datasets.Value("string")})
TRL_FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "messages": datasets.List({"role": datasets.Value("string"), "content": _PARTS}),
        "images": datasets.List(datasets.Image()),
    }
)


@dataclass(frozen=True)
class Row:
    """A row to be written.

    record: the original record in LLaVA's format. turns: role (user, assistant) and text, with one `<image>` per image.
    images: their paths. files: reads their bytes.
    """

    id: str
    record: dict
    turns: list[dict[str, str]]
    images: list[str]
    files: Callable[[], list[bytes]]


def as_json(value) -> bytes:
    """A value as one line of UTF-8 JSON; escaped if it holds half a surrogate pair, which UTF-8 can't encode.

    Values of a table's other columns that JSON has no type for become text: bytes as base64, times as ISO 8601.
    """
    try:
        return json.dumps(value, ensure_ascii=False, default=_as_text).encode()
    except UnicodeEncodeError:
        return json.dumps(value, default=_as_text).encode()


def _as_text(value) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def parts(turn: dict[str, str], n_images: int, **of_image: Iterator[str]) -> list[dict[str, str]]:
    """A turn as a list of images and texts, {type: image} and {type: text, text}.

    Each of the first `n_images` marks becomes an image, and white space next to it is dropped. Other text is unchanged.
    of_image: further fields of an image, with iterators over their values.
    """
    if not n_images or IMAGE_TOKEN not in turn["text"]:
        return [{"type": "text", "text": turn["text"]}]
    pieces, out = turn["text"].split(IMAGE_TOKEN, n_images), []
    for k, piece in enumerate(pieces):
        if k:
            out.append({"type": "image"} | {field: next(values) for field, values in of_image.items()})
        piece = piece.lstrip() if k else piece
        piece = piece.rstrip() if k + 1 < len(pieces) else piece
        if piece:
            out.append({"type": "text", "text": piece})
    return out


def messages(row: Row, **of_image: Iterator[str]) -> list[dict]:
    """A row's turns as messages made of `parts`."""
    made, left = [], len(row.images)
    for turn in row.turns:
        content = parts(turn, left, **of_image)
        left -= sum(part["type"] == "image" for part in content)
        made.append({"role": turn["role"], "content": content})
    return made


def sharegpt(row: Row) -> dict:
    """LLaMA-Factory's sharegpt format."""
    said = [{"from": {"user": "human"}.get(turn["role"], "gpt"), "value": turn["text"]} for turn in row.turns]
    return {"id": row.id, "conversations": said, "images": row.images}


def swift(row: Row) -> dict:
    """ms-swift's messages format."""
    said = [{"role": turn["role"], "content": turn["text"]} for turn in row.turns]
    return {"id": row.id, "messages": said, "images": row.images}


def axolotl(row: Row) -> dict:
    """axolotl's multimodal messages format: images by path, in place."""
    return {"id": row.id, "messages": messages(row, path=iter(row.images))}


def trl(row: Row) -> dict:
    """TRL's format: messages, and images with embedded files."""
    return {"id": row.id, "messages": messages(row), "images": [{"bytes": file, "path": None} for file in row.files()]}


def write_lines(path: Path, lines: Iterable[bytes], first: bytes = b"", between: bytes = b"\n", last: bytes = b"\n"):
    """Write a file of these lines."""
    with whole(path) as part, part.open("wb") as file:
        file.write(first)
        for k, line in enumerate(lines):
            file.write(between + line if k else line)
        file.write(last)


def write_list(path: Path, values: Iterable) -> None:
    """Write a JSON list with one value per line."""
    write_lines(path, map(as_json, values), b"[\n", b",\n", b"\n]\n")


def write_parquet(path: Path, rows: Iterable[dict]) -> None:
    """Write TRL's table with at most one row group in memory."""
    schema, waiting, size = TRL_FEATURES.arrow_schema, [], 0
    with whole(path) as part, pq.ParquetWriter(part, schema) as writer:
        for row in rows:
            waiting.append(row)
            size += sum(len(image["bytes"]) for image in row["images"])
            if len(waiting) == _GROUP_ROWS or size >= _GROUP_BYTES:
                writer.write_table(pa.Table.from_pylist(waiting, schema=schema))
                waiting, size = [], 0
        if waiting:
            writer.write_table(pa.Table.from_pylist(waiting, schema=schema))


def _llama_factory(out: Path, rows: Iterable[Row], name: str) -> None:
    write_list(out / "llama_factory/data.json", map(sharegpt, rows))
    columns = {"messages": "conversations", "images": "images"}
    entry = {"file_name": "data.json", "formatting": "sharegpt", "columns": columns}
    write_json(out / "llama_factory/dataset_info.json", {name: entry})


def _ids(out: Path, rows: Iterable[Row], name: str) -> None:
    """Write one id per line; an id that contains a line break is written as JSON."""
    ids = (row.id for row in rows)
    write_lines(out / "ids.txt", (as_json(x) if x.splitlines() != [x] else x.encode() for x in ids))


#: Format -> function that writes its files: (export folder, all rows in order, data set name).
WRITERS: dict[str, Callable[[Path, Iterable[Row], str], None]] = {
    "llava": lambda out, rows, name: write_list(out / "llava.json", (row.record for row in rows)),
    "ids": _ids,
    "llama_factory": _llama_factory,
    "ms_swift": lambda out, rows, name: write_lines(out / "ms_swift.jsonl", (as_json(swift(row)) for row in rows)),
    "trl": lambda out, rows, name: write_parquet(out / "trl.parquet", map(trl, rows)),
    "axolotl": lambda out, rows, name: write_lines(out / "axolotl.jsonl", (as_json(axolotl(row)) for row in rows)),
}
