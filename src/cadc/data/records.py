"""The records of a pool, one at a time: LLaVA's JSON list, JSONL, parquet, or a Hugging Face dataset saved on disk.

However large the file, only a window of it is in memory. A record is what the file holds, not checked yet.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import datasets
import pyarrow.parquet as pq

from cadc.compute import console
from cadc.config.errors import InputError
from cadc.data.hub_layout import Splits, by_card, by_name, check_shards, parquet_files, parquet_splits, shard_of
from cadc.data.json_rows import json_values
from cadc.data.reasons import PoolError, some

_BATCH = 64  # rows of a table turned into records at a time: they may hold images


def read_records(path: Path) -> Iterator:
    """The records at `path`, in order; a `Repeated` where a key stands twice in one object.

    It is a JSON list, .jsonl, .parquet, several .parquet files of one folder (`train-*.parquet`), a folder of .parquet
    files of one split or one that `datasets.save_to_disk` wrote. Raises PoolError, naming the line where there is one,
    if the file is missing, breaks off or is none of these.
    """
    is_table = path.suffix.lower() == ".parquet"
    try:
        if path.is_dir():
            return _saved(path) if (path / "state.json").exists() else _tabled(path, _of_one_split(path))
        if is_table and "*" in path.name and not path.exists() and path.parent.is_dir():
            return _tabled(path, _named_files(path))
    except InputError as error:
        raise PoolError(str(error)) from None
    if not path.exists():
        raise PoolError(f"{path}: no such file; set data.annotations to your LLaVA-format JSON")
    if not is_table:
        return (record for _, record in json_values(path))
    if (shard := shard_of(path)) and shard.n > 1:
        console.line(f"{path}: one of {shard.n} files, and the others are not read; {shard.prefix}-*.parquet names all")
    return _tabled(path, [path])


def _of_one_split(folder: Path) -> list[Path]:
    """The parquet files of a folder as the hub has it, which must be of one config and split."""
    if (folder / "dataset_dict.json").exists():
        splits = sorted(each.name for each in folder.iterdir() if (each / "state.json").exists())
        if not splits:
            raise InputError(
                f"{folder}: a data set of several splits, but none of them is there; fetch or write it again"
            )
        raise InputError(
            f"{folder}: holds the splits {', '.join(splits)}; set data.annotations to one of their folders, "
            f"such as {folder / splits[0]}"
        )
    splits = parquet_splits(folder)
    if not splits:
        raise InputError(
            f"{folder}: a folder, but no Hugging Face dataset; give a JSON file, parquet files or a folder written by "
            "save_to_disk"
        )
    return _only(splits, folder, folder)


def _named_files(pattern: Path) -> list[Path]:
    """The parquet files of a folder that a pattern names, which must be of one config and split."""
    folder = pattern.parent
    files = sorted(file for file in folder.iterdir() if fnmatchcase(file.name, pattern.name))
    if not files:
        raise InputError(f"{pattern}: no file of that name; set data.annotations to your rows")
    splits = by_card(folder, files) or by_name(folder, files)
    left_out = [file for file in files if not any(file in named for named in splits.values())]
    return _only(splits | {("default", file.stem): [file] for file in left_out}, pattern, folder)


def _only(splits: Splits, path: Path, folder: Path) -> list[Path]:
    """The files of the one split that there is at `path`, which is a folder or names files of it."""
    if len(splits) > 1:
        alone = len({config for config, _ in splits}) == 1
        names = [split if alone else f"{config}/{split}" for config, split in splits]
        one = next((files for (_, split), files in splits.items() if split == "train"), next(iter(splits.values())))
        raise InputError(
            f"{path}: holds the splits {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}; set "
            f"data.annotations to the files of one, such as {_name_of(one, parquet_files(folder))}"
        )
    (files,) = splits.values()
    check_shards(files)
    left_out = sorted({*parquet_files(folder)} - {*files}) if path == folder else []
    if left_out:
        named = some([str(file.relative_to(folder)) for file in left_out])
        console.line(f"{folder}: {len(left_out)} files that the README.md leaves out are not read: {named}")
    return files


def _name_of(files: list[Path], others: list[Path]) -> Path:
    """What names the files of a split and no others: their folder, a pattern, or a single file."""
    parent, shard = files[0].parent, shard_of(files[0])
    if {file for file in others if parent in file.parents} == {*files}:
        return parent
    alike = itertools.takewhile(lambda letters: len({*letters}) == 1, zip(*(file.name for file in files)))
    prefix = f"{shard.prefix}-" if shard else "".join(letters[0] for letters in alike)
    named = [file for file in others if file.parent == parent and file.name.startswith(prefix)]
    return parent / f"{prefix}*.parquet" if named == files and (shard or len(files) > 1) else files[0]


def _unreadable(path: Path, error: Exception) -> PoolError:
    """Whatever Arrow and datasets raise at broken files, in our words."""
    said = " ".join(str(error).split())[:200]
    return PoolError(f"{path}: can't be read as a dataset ({type(error).__name__}: {said}); fetch or write it again")


def _saved(path: Path) -> Iterator[dict]:
    try:
        dataset = datasets.load_from_disk(str(path))
        yield from _of_tables(path, dataset.column_names, dataset.with_format("arrow").iter(_BATCH))
    except PoolError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from None


def _tabled(path: Path, files: list[Path]) -> Iterator[dict]:
    try:
        for file in files:
            with pq.ParquetFile(file, memory_map=True, pre_buffer=False) as opened:
                yield from _of_tables(file, opened.schema_arrow.names, opened.iter_batches(_BATCH))
    except PoolError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from None


def _of_tables(path: Path, columns: list[str], tables) -> Iterator[dict]:
    if not {"id", "conversations"} <= {*columns}:
        raise PoolError(
            f"{path}: has the columns {', '.join(columns)}; it needs id, conversations and, "
            "for pictures, image or images"
        )
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise PoolError(f"{path}: has the column {twice[0]} twice; keep one of the two")
    for table in tables:
        yield from table.to_pylist()
