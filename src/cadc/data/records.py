"""Read the records of a pool one at a time: LLaVA's JSON list, JSONL, parquet, or a Hugging Face dataset on disk.

Only a window of the file is in memory, whatever its size. Records are returned as stored, unchecked.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from cadc.compute import console
from cadc.config.errors import InputError
from cadc.data.hub_layout import by_card, fits, parquet_files, parquet_splits
from cadc.data.json_rows import json_values
from cadc.data.reasons import PoolError, some
from cadc.data.shards import check_shards, gaps, shard_of, unnamed
from cadc.data.split_names import Splits, by_name, split_word
from cadc.data.tables import batches_of, check_columns, check_rows, unreadable

_WILD = frozenset("*?[")  # characters that make a name a pattern
_BATCH = 64  # table rows converted at a time; small, because rows may hold images


def read_records(path: Path) -> Iterator:
    """The records at `path`, in order; an `Unusable` for each value that is not a record.

    `path` is a JSON list, .jsonl, .parquet, a pattern for the .parquet files of one split (`train-*.parquet`), a folder
    of such files, or a folder written by `datasets.save_to_disk`. Raises PoolError if the file is missing, truncated or
    none of these; it names the line where there is one.
    """
    try:
        if path.is_dir():
            return _saved(path) if (path / "state.json").exists() else _tabled(path, _of_one_split(path))
        if not path.exists() and any(_WILD.intersection(part) for part in _beyond(path).parts):
            return _tabled(path, _named_files(path))
    except InputError as error:
        raise PoolError(str(error)) from None
    if not path.exists():
        raise PoolError(f"{path}: no such file; set data.annotations to your LLaVA-format JSON")
    if path.suffix.lower() != ".parquet":
        return (record for _, record in json_values(path))
    if (shard := shard_of(path)) and shard.n > 1:
        console.line(
            f"{path}: this is one of {shard.n} files; the others are not read. Use {shard.head}*.parquet to read all "
            "that are there"
        )
    return _tabled(path, [path])


def _beyond(path: Path) -> Path:
    """The part of a path below its deepest existing folder."""
    return path.relative_to(next((folder for folder in path.parents if folder.is_dir()), path.parents[-1]))


def _of_one_split(folder: Path) -> list[Path]:
    """The parquet files of a folder in the hub's layout; they must be of one config and split."""
    if (folder / "dataset_dict.json").exists():
        splits = sorted(each.name for each in folder.iterdir() if (each / "state.json").exists())
        if not splits:
            raise InputError(f"{folder}: a data set of several splits that contains none; fetch or write it again")
        raise InputError(
            f"{folder}: holds the splits {', '.join(splits)}; set data.annotations to one of their folders, "
            f"such as {folder / splits[0]}"
        )
    found = parquet_splits(folder)
    if not found:
        raise InputError(
            f"{folder}: a folder, but not a Hugging Face dataset; give a JSON file, parquet files or a folder written "
            "by save_to_disk"
        )
    return _only(found, folder, folder)


def _named_files(pattern: Path) -> list[Path]:
    """The parquet files that match a path pattern; they must be of one config and split."""
    wanted = _beyond(pattern)
    folder = Path(*pattern.parts[: -len(wanted.parts)])
    there = parquet_files(folder)
    files = [file for file in there if fits(file.relative_to(folder).parts, wanted.parts)]
    if not files:
        raise InputError(
            f"{pattern}: no parquet file matches; set data.annotations to your rows. Patterns match parquet files only "
            "(* any text, ? one character, [..] one of several); give a JSON file by its full name"
        )
    splits = by_card(folder, files) or by_name(folder, files)
    left_out = [file for file in files if not any(file in named for named in splits.values())]
    files = _only(splits | {("default", file.stem): [file] for file in left_out}, pattern, folder)
    if others := unnamed(files, there):
        names = some([other.name for other in others])
        console.line(f"{pattern}: matches {len(files)} files of a larger set; not read: {names}")
    return files


def _only(splits: Splits, path: Path, folder: Path) -> list[Path]:
    """The files of the only split at `path` (`folder`, or a pattern in it); InputError if there are several."""
    if len(splits) > 1:
        alone = len({config for config, _ in splits}) == 1
        names = [split if alone else f"{config}/{split}" for config, split in splits]
        by_use = sorted(splits.items(), key=lambda item: split_word(item[0][1]) not in ("train", None))
        one = next((files for (_, split), files in splits.items() if split == "train"), by_use[0][1])
        raise InputError(
            f"{path}: holds the splits {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}; set "
            f"data.annotations to the files of one, such as {_name_of(one, parquet_files(folder))}"
        )
    (files,) = splits.values()
    there = parquet_files(folder)
    check_shards(files, there)
    for gap in gaps(files):
        console.line(gap)
    left_out = sorted({*there} - {*files}) if path == folder else []
    if left_out:
        named = some([str(file.relative_to(folder)) for file in left_out])
        console.line(f"{folder}: {len(left_out)} files not listed in the README.md are not read: {named}")
    return files


def _name_of(files: list[Path], others: list[Path]) -> Path:
    """A path that matches exactly the files of a split: their folder, a pattern, or a single file."""
    parent, shard = files[0].parent, shard_of(files[0])
    if {file for file in others if parent in file.parents} == {*files}:
        return parent
    alike = itertools.takewhile(lambda letters: len({*letters}) == 1, zip(*(file.name for file in files), strict=False))
    prefix = shard.head if shard else "".join(letters[0] for letters in alike)
    named = [file for file in others if file.parent == parent and file.name.startswith(prefix)]
    return parent / f"{prefix}*.parquet" if named == files and (shard or len(files) > 1) else files[0]


def _check_inside(path: Path) -> None:
    """Refuse a saved data set that names files outside its own folder: a set that somebody hands you must not open your
    other files. Raises PoolError."""
    state = path / "state.json"
    for name in (each["filename"] for each in json.loads(state.read_text(encoding="utf-8"))["_data_files"]):
        if Path(name).name != name or name == "..":
            raise PoolError(f"{state}: names {name!r}, which is not a file in this folder; save the data set again")


def _saved(path: Path) -> Iterator[dict]:
    try:
        _check_inside(path)
        dataset = datasets.load_from_disk(str(path))
        yield from _of_tables(path, dataset.column_names, _checked(path, dataset.with_format("arrow").iter(_BATCH)))
    except PoolError:
        raise
    except Exception as error:
        raise unreadable(path, error) from None


def _checked(path: Path, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    for table in tables:
        check_rows(path, table)
        yield table


def _tabled(path: Path, files: list[Path]) -> Iterator[dict]:
    try:
        for file in files:
            with pq.ParquetFile(file, memory_map=True, pre_buffer=False) as opened:
                yield from _of_tables(file, opened.schema_arrow.names, batches_of(file, opened, _BATCH))
    except PoolError:
        raise
    except Exception as error:
        raise unreadable(path, error) from None


def _of_tables(path: Path, columns: list[str], tables) -> Iterator[dict]:
    if not {"id", "conversations"} <= {*columns}:
        raise PoolError(
            f"{path}: has the columns {', '.join(columns)}; it needs id, conversations and, "
            "for rows with images, image or images"
        )
    check_columns(path, columns)
    for table in tables:
        yield from table.to_pylist()
