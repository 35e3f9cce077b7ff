"""Find the original records of selected rows by reading the user's file again, so that nothing is stored twice."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from cadc.config.data import Data
from cadc.config.errors import InputError
from cadc.config.params import Params
from cadc.data.checks import Checker, as_shown, images_of
from cadc.data.field_names import kinds
from cadc.data.field_values import given
from cadc.data.ids import with_ids
from cadc.data.records import read_records
from cadc.data.turns import begins_with_gpt, check_turns

_SPEAKERS = {"user": "human", "assistant": "gpt"}
_BATCH = 512  # rows of the pool's table converted to Python objects at a time


@dataclass(frozen=True)
class Picture:
    """An image of a row. name: its path inside the image folder, None if it is not a file there; cell: {bytes, path}
    from the pool's table."""

    name: str | None
    cell: dict


@dataclass(frozen=True)
class Chosen:
    """A row to be exported.

    record: the original in LLaVA's format, with the pool's answers. pictures: the record's images. turns (role, text)
    and n_images: as in the pool, which may hold fewer under `pool.on_bad_row: llava`.
    """

    id: str
    source: str
    record: dict
    pictures: list[Picture]
    turns: list[dict[str, str]]
    n_images: int


def chosen_rows(pool: pa.Table, rows: np.ndarray, params: Params) -> dict[int, Chosen]:
    """These pool rows with their records, by row number. rows int64 [n], in any order.

    A row read from data.annotations keeps its own record with every field and text; answers changed by cleaning or
    pool.lineage replace the original ones. Rows without a record, from the generated world or added by a lineage, get
    one with id, source, image and conversations.
    """
    wanted = np.unique(rows)
    cells = {row["id"]: (place, row) for place, row in _pool_rows(pool, wanted)}
    made: dict[int, Chosen] = {}
    folder = image_folder(params.data)
    if folder is not None:
        checker = Checker(folder, llava=params.pool.on_bad_row == "llava")
        records = _records(params.data.inside(params.data.annotations))
        for name, record, fault in with_ids(records, params.pool.repeated_ids):
            if not fault and name in cells and (found := _own(record, cells[name][1], checker)):
                made[cells[name][0]] = found
                if len(made) == len(wanted):
                    break
    return made | {place: _of_pool(row, folder) for place, row in cells.values() if place not in made}


def image_folder(data: Data) -> Path | None:
    """The folder that image paths are relative to; None for the generated world."""
    return None if data.path is None else Path(os.path.normpath(data.inside(data.images)))


def _pool_rows(pool: pa.Table, wanted: np.ndarray) -> Iterator[tuple[int, dict]]:
    for start in range(0, len(wanted), _BATCH):
        part = wanted[start : start + _BATCH]
        yield from zip(part.tolist(), pool.take(part).to_pylist(), strict=True)


def _records(path: Path) -> Iterator:
    """The records at `path`; empty cells of a table become missing fields."""
    is_table = not path.is_file() or path.suffix.lower() == ".parquet"
    for record in read_records(path):
        if is_table:
            cells = {key: _in_json(value) for key, value in record.items()}
            record = {key: value for key, value in cells.items() if value is not None}
        yield record


def _in_json(value):
    """A table's value without numbers that JSON lacks: NaN, pandas' missing value, becomes None, and infinite numbers
    become text."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, dict):
        return {key: _in_json(inner) for key, inner in value.items()}
    return [_in_json(inner) for inner in value] if isinstance(value, list) else value


def _own(record: dict, row: dict, checker: Checker) -> Chosen | None:
    """A record with the answers of the pool row of the same id; None if they differ otherwise, because a lineage may
    have reused the id."""
    begun = int(checker.llava and begins_with_gpt(record.get("conversations")))
    try:
        turns = check_turns({**record, "conversations": record["conversations"][begun:]}, checker.llava)
        images = images_of(record)
        turns, shown, _ = as_shown(turns, images, checker.llava)
    except (InputError, KeyError, TypeError):
        return None
    changed = [k for k, (was, now) in enumerate(zip(turns, row["turns"], strict=False)) if was != now]
    if len(turns) != len(row["turns"]) or any(turns[k]["role"] == "user" for k in changed):
        return None
    if len(shown) != len(row["images"]):
        return None
    if changed:
        said = list(record["conversations"])
        for k in changed:
            said[k + begun] = _answering(said[k + begun], row["turns"][k]["text"])
        record = {**record, "conversations": said}
    cells = row["images"] if len(row["images"]) == len(images) else map(_cell, images)
    pictures = [Picture(_name(image, checker), cell) for image, cell in zip(images, cells, strict=False)]
    return Chosen(row["id"], row["source"], record, pictures, row["turns"], len(shown))


def _answering(turn: dict, text: str) -> dict:
    """A turn with its text replaced, in `value` and in every text field that repeats it."""
    same = {name for name, value in turn.items() if value == turn["value"] and "text" in kinds(name)}
    return {name: text if name in {"value", *same} else value for name, value in turn.items()}


def _cell(image) -> dict:
    """An image of a record as a cell {bytes, path}; without bytes if it is a file of the folder."""
    return image if isinstance(image, dict) and image.get("bytes") else {"bytes": None, "path": None}


def _name(image, checker: Checker) -> str | None:
    """The path of a record's image inside the image folder; None if the record embeds the image."""
    if isinstance(image, dict) and isinstance(image.get("bytes"), bytes):
        return None
    return os.path.normpath(checker.inside(image["path"] if isinstance(image, dict) else image))


def _of_pool(row: dict, folder: Path | None) -> Chosen:
    """A record built from a pool row."""
    pictures = [Picture(_file(cell, folder), cell) for cell in row["images"]]
    record = {"id": row["id"], "source": row["source"]}
    if pictures:
        record |= {"image": None} if len(pictures) == 1 else {"images": [None] * len(pictures)}  # see `with_paths`
    record["conversations"] = [{"from": _SPEAKERS[turn["role"]], "value": turn["text"]} for turn in row["turns"]]
    return Chosen(row["id"], row["source"], record, pictures, row["turns"], len(pictures))


def _file(cell: dict, folder: Path | None) -> str | None:
    """The path inside the image folder of a cell's image, if it is the same file (a copied row shows it, too)."""
    if folder is None or cell["path"] is None:
        return None
    path = Path(os.path.normpath(cell["path"] if cell["bytes"] is None else folder / cell["path"]))
    if not path.is_relative_to(folder) or not path.is_file():
        return None
    same = cell["bytes"] is None or path.read_bytes() == cell["bytes"]
    return str(path.relative_to(folder)) if same else None


def with_paths(chosen: Chosen, paths: list[str], kept: bool) -> dict:
    """A row's record with `paths` in place of its images. `kept`: only replace embedded images, and keep paths as in
    the data."""
    if not paths:
        return chosen.record
    named = (name for name in ("image", "images") if given(chosen.record.get(name)))
    field = next(named, "image" if "image" in chosen.record else "images")
    value = chosen.record[field]
    images = value if isinstance(value, list) else [value]
    new = [image if kept and isinstance(image, str) else path for image, path in zip(images, paths, strict=True)]
    return {**chosen.record, field: new if isinstance(value, list) else new[0]}
