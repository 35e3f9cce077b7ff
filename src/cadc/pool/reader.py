"""Reading and checking instruction data in LLaVA's JSON format: one reader for the mini world and for your own data.

A row has an `id`, optionally an `image` (a path inside the image folder, or a list of them) and `conversations`: turns
`{"from": "human" | "gpt", "value": text}`, alternating, human first. `<image>` stands in the human turns as often as
there are images. Whatever is wrong with a row is said with the file, the row's id and what to do about it.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import datasets
import pyarrow as pa
from PIL import Image

IMAGE_TOKEN = "<image>"
_SPEAKERS = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}

POOL_FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "source": datasets.Value("string"),
        "images": datasets.List(datasets.Image()),
        "turns": datasets.List({"role": datasets.Value("string"), "text": datasets.Value("string")}),
    }
)


class PoolError(ValueError):
    """A file or a row that can't be used; the message names the file, the row id and the fix."""


@dataclass(frozen=True)
class Skipped:
    """A row left out under `pool.on_bad_row: skip`."""

    id: str
    reason: str


def read_records(path: Path) -> list:
    """The records of a JSON list or of a JSONL file. Raises PoolError where the file is missing or breaks off."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PoolError(f"{path}: no such file; set pool.annotations to your LLaVA-format JSON") from None
    except UnicodeDecodeError as error:
        raise PoolError(f"{path}: not UTF-8 at byte {error.start}; re-save the file as UTF-8") from None
    if path.suffix == ".jsonl":
        records = []
        for number, text_line in enumerate(text.splitlines(), 1):
            if text_line.strip():
                try:
                    records.append(json.loads(text_line))
                except json.JSONDecodeError as error:
                    raise PoolError(f"{path}, line {number}: not JSON ({error.msg}); repair or remove the line") from None
        return records
    try:
        records = json.loads(text)
    except json.JSONDecodeError as error:
        last = text.rfind('"id"', 0, error.pos)
        near = " near row " + text[last + 4 :].split(",")[0].strip(' :"\n') if last >= 0 else ""
        raise PoolError(f"{path}, line {error.lineno}{near}: JSON breaks off ({error.msg}); the file is incomplete, fetch or write it again") from None
    if not isinstance(records, list):
        raise PoolError(f"{path}: holds a JSON {type(records).__name__}, not a list of rows; wrap the rows in [ ]")
    return records


def _fail(reason: str):
    raise ValueError(reason)


def check_turns(record: dict) -> list[dict[str, str]]:
    """The row's turns as role and text. Raises ValueError with the reason and the fix."""
    conversation = record.get("conversations")
    if not isinstance(conversation, list) or not conversation:
        _fail("conversations is empty or missing; give at least one human and one gpt turn, or remove the row")
    turns = []
    for k, turn in enumerate(conversation):
        if not isinstance(turn, dict) or not isinstance(turn.get("value"), str):
            _fail(f"turn {k} has no text in `value`; write it as {{from, value}}")
        role = _SPEAKERS.get(turn.get("from"))
        if role is None:
            _fail(f"turn {k} has the unknown role {turn.get('from')!r}; use human or gpt")
        expected = "user" if k % 2 == 0 else "assistant"
        if role != expected:
            _fail(f"turn {k} is from {turn['from']!r} where {'human' if expected == 'user' else 'gpt'} must speak; turns alternate, human first")
        if not turn["value"].strip():
            _fail(f"turn {k} ({turn['from']}) is blank; write its text or remove the row")
        turns.append({"role": role, "text": turn["value"]})
    if len(turns) % 2:
        _fail("the last human turn has no gpt answer; add one or remove the turn")
    return turns


def _image_path(name, folder: Path) -> Path:
    if not isinstance(name, str) or not name:
        _fail(f"image is {name!r}; give a path inside the image folder, or leave the field out")
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        _fail(f"image {name!r} points outside the image folder; use a path relative to {folder}")
    path = folder / name
    if not path.is_file():
        _fail(f"image {name!r} is missing from {folder}; restore the file or remove the row")
    if not path.resolve().is_relative_to(folder.resolve()):
        _fail(f"image {name!r} is a link that leaves the image folder; copy the file into {folder}")
    return path


def check_image(data: bytes, name: str, min_side: int) -> None:
    """Decode the image whole. Raises ValueError if it is corrupt or smaller than `min_side` pixels."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            width, height = image.size
    except Exception as error:
        raise ValueError(f"image {name!r} can't be decoded ({type(error).__name__}); replace the file or remove the row") from None
    if min(width, height) < min_side:
        _fail(f"image {name!r} is {width}x{height} pixels, below pool.min_image_side={min_side}; replace it or remove the row")


def _source(record: dict, images: list[str]) -> str:
    """Where a row comes from: its `source` field, else the first folder of its image (as in LLaVA-665K), else `text`."""
    if record.get("source"):
        return str(record["source"])
    if not images:
        return "text"
    parts = PurePosixPath(images[0]).parts
    return parts[0] if len(parts) > 1 else "images"


def check_row(record: dict, folder: Path, min_side: int, embed_images: bool) -> dict:
    """One record as a row of the pool table. Raises ValueError with the reason and the fix."""
    turns = check_turns(record)
    names = record.get("image")
    names = [] if names is None else names if isinstance(names, list) else [names]
    tokens = sum(turn["text"].count(IMAGE_TOKEN) for turn in turns if turn["role"] == "user")
    if tokens != len(names):
        _fail(f"{tokens} {IMAGE_TOKEN} token(s) in the human turns but {len(names)} image(s); make them equal")
    if any(IMAGE_TOKEN in turn["text"] for turn in turns if turn["role"] == "assistant"):
        _fail(f"a gpt turn contains {IMAGE_TOKEN}; images belong to human turns")
    images = []
    for name in names:
        path = _image_path(name, folder)
        data = path.read_bytes()
        check_image(data, name, min_side)
        images.append({"bytes": data if embed_images else None, "path": name if embed_images else str(path)})
    return {"id": str(record["id"]), "source": _source(record, names), "images": images, "turns": turns}


def read_pool(annotations: Path, folder: Path, on_bad_row: str = "fail", min_side: int = 8, embed_images: bool = True) -> tuple[pa.Table, list[Skipped]]:
    """Read and check a LLaVA-format data set.

    Returns a table with columns id, source, images (list of {bytes, path}) and turns (list of {role, text}), in file
    order, and the rows that were skipped. Raises PoolError on an unreadable file, a repeated id, an empty result or,
    under `on_bad_row="fail"`, on the first bad row (and says how many more there are).
    """
    rows, bad, seen = [], [], {}
    for number, record in enumerate(read_records(annotations)):
        name = f"row {number}"
        try:
            if not isinstance(record, dict):
                _fail("is not a JSON object; write it as {id, image, conversations}")
            if record.get("id") in (None, ""):
                _fail("has no id; give every row its own")
            name = str(record["id"])
            if name in seen:
                _fail(f"the id is already that of row {seen[name]}; give every row its own")
            seen[name] = number
            rows.append(check_row(record, folder, min_side, embed_images))
        except ValueError as error:
            bad.append(Skipped(name, str(error)))
    if bad and on_bad_row == "fail":
        more = f" ({len(bad) - 1} more bad rows)" if len(bad) > 1 else ""
        raise PoolError(f"{annotations}, row id {bad[0].id}: {bad[0].reason}{more}; or set pool.on_bad_row: skip to leave such rows out and count them")
    if not rows:
        raise PoolError(f"{annotations}: no usable row; {bad[0].reason if bad else 'the list is empty'}")
    return pa.Table.from_pylist(rows, schema=POOL_FEATURES.arrow_schema), bad
