"""The records of a pool, one at a time: LLaVA's JSON list, JSONL, parquet, or a Hugging Face dataset saved on disk.

However large the file, only a window of it is in memory. A record is what the file holds, not checked yet.
"""

from __future__ import annotations

import codecs
import itertools
import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import datasets
import pyarrow.parquet as pq

from cadc.compute import console
from cadc.config.errors import InputError
from cadc.data.hub_layout import check_shards, parquet_splits, shard_of
from cadc.data.turns import SOURCES, TELLING

LONGEST_ROW = 1 << 24  # characters of one row (ours); where there are more, a quote or a bracket is missing
_BLOCK = 1 << 20  # bytes read at a time
_BATCH = 64  # rows of a table turned into records at a time: they may hold images
_SPACE = re.compile(r"[ \t\n\r]*")
_COLUMNS = {"id", "image", "images", "conversations", *SOURCES, *TELLING}


class PoolError(InputError):
    """A file or a row that can't be used; the message names the file, the row id and the fix."""


def read_records(path: Path) -> Iterator:
    """The records at `path`, in order.

    It is a JSON list, .jsonl, .parquet, several .parquet files of one folder (`train-*.parquet`), a folder of .parquet
    files of one split or one that `datasets.save_to_disk` wrote. Raises PoolError, naming the line where there is one,
    if the file is missing, breaks off or is none of these.
    """
    if path.is_dir():
        return _saved(path) if (path / "state.json").exists() else _tabled(path, _of_one_split(path))
    if path.suffix == ".parquet" and "*" in path.name and not path.exists() and path.parent.is_dir():
        return _tabled(path, _named_files(path))
    if not path.exists():
        raise PoolError(f"{path}: no such file; set data.annotations to your LLaVA-format JSON")
    if path.suffix == ".parquet":
        if (shard := shard_of(path)) and shard[2] > 1:
            console.line(
                f"{path}: one of {shard[2]} files, and the others are not read; {shard[0]}-*.parquet names all"
            )
        return _tabled(path, [path])
    return _lines(path) if path.suffix == ".jsonl" else _listed(path)


def _why(error: Exception) -> str:
    return (
        error.msg
        if isinstance(error, json.JSONDecodeError)
        else "nested too deeply"
        if isinstance(error, RecursionError)
        else str(error)
    )


def _lines(path: Path) -> Iterator:
    with path.open("rb") as file:
        for number in itertools.count(1):
            line = file.readline(LONGEST_ROW + 1)
            if not line:
                return
            if len(line) > LONGEST_ROW:
                raise PoolError(
                    f"{path}, line {number}: longer than the {LONGEST_ROW} bytes that a row may have; "
                    "put each row on a line of its own"
                )
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if text:
                    yield json.loads(text)
            except UnicodeDecodeError as error:
                raise PoolError(
                    f"{path}, line {number}: not UTF-8 at byte {error.start} of the line; re-save the file as UTF-8"
                ) from None
            except (ValueError, RecursionError) as error:
                raise PoolError(f"{path}, line {number}: not JSON ({_why(error)}); repair or remove the line") from None


class _Window:
    """What is read of a text file and not parsed yet: `text` from `at` on, in line `line` of the file."""

    def __init__(self, path: Path, file):
        self.path, self.file, self.decoder = path, file, codecs.getincrementaldecoder("utf-8")()
        self.text, self.at, self.line, self.ended, self.last_id = "", 0, 1, False, None

    def more(self) -> bool:
        """Twice as much text, at least a block more; False at the end of the file."""
        if self.ended:
            return False
        self.line += self.text.count("\n", 0, self.at)
        kept, before = self.text[self.at :], self.file.tell() - len(self.decoder.getstate()[0])
        block = self.file.read(max(_BLOCK, len(kept)))
        self.ended = not block
        try:
            self.text, self.at = kept + self.decoder.decode(block, final=self.ended), 0
        except UnicodeDecodeError as error:
            raise PoolError(
                f"{self.path}: not UTF-8 at byte {before + error.start}; re-save the file as UTF-8"
            ) from None
        if not before:
            self.text = self.text.removeprefix("\ufeff")  # the byte order mark of Windows' editors
        return True

    def character(self) -> str:
        """The next character that is no white space; empty at the end of the file."""
        while True:
            self.at = _SPACE.match(self.text, self.at).end()
            if self.at < len(self.text) or not self.more():
                return self.text[self.at : self.at + 1]

    def value(self, decoder: json.JSONDecoder):
        """The JSON value that starts here."""
        while True:
            try:
                value, end = decoder.raw_decode(self.text, self.at)
            except (ValueError, RecursionError) as error:
                if isinstance(error, RecursionError) or len(self.text) - self.at > LONGEST_ROW or not self.more():
                    raise self.broken(_why(error), getattr(error, "pos", self.at)) from None
                continue
            if end - self.at > LONGEST_ROW:
                raise self.broken("too long", end)
            unclear = (
                isinstance(value, int | float) and self.text[end : end + 1] in "0123456789.eE+-"
            )  # a number may go on behind the window
            if not unclear or len(self.text) - self.at > LONGEST_ROW or not self.more():
                self.at = end
                self.last_id = value.get("id") if isinstance(value, dict) else None
                return value

    def broken(self, reason: str, at: int) -> PoolError:
        ids = re.findall(r'"id"\s*:\s*"?([^",}\n]{1,100})', self.text[self.at : at])
        near = ids[-1] if ids else self.last_id
        where = f"{self.path}, line {self.line + self.text.count(chr(10), 0, at)}{'' if near is None else f' near row {near}'}"
        if self.ended:
            return PoolError(f"{where}: JSON breaks off ({reason}); the file is incomplete, fetch or write it again")
        return PoolError(
            f"{where}: not JSON, or a row above {LONGEST_ROW} characters ({reason}); repair or remove the row"
        )


def _listed(path: Path) -> Iterator:
    with path.open("rb") as file:
        window, decoder = _Window(path, file), json.JSONDecoder()
        first = window.character()
        if first != "[":
            found = f"it starts with {first!r}" if first else "it is empty"
            raise PoolError(
                f"{path}: not a list of rows, {found}; wrap the rows in [ ], "
                "or name the file .jsonl if each line is a row"
            )
        window.at += 1
        ended = window.character() == "]"
        while not ended:
            yield window.value(decoder)
            ended = window.character() == "]"
            if not ended:
                if window.character() != ",":
                    raise window.broken("expecting ',' or ']' after the row", window.at)
                window.at += 1
                window.character()
        window.at += 1
        if window.character():
            raise window.broken("more text behind the list", window.at)


def _of_one_split(folder: Path) -> list[Path]:
    """The parquet files of a folder as the hub has it, which must be of one config and split."""
    if (folder / "dataset_dict.json").exists():
        splits = sorted(each.name for each in folder.iterdir() if (each / "state.json").exists())
        if not splits:
            raise PoolError(
                f"{folder}: a data set of several splits, but none of them is there; fetch or write it again"
            )
        raise PoolError(
            f"{folder}: holds the splits {', '.join(splits)}; set data.annotations to one of their folders, "
            f"such as {folder / splits[0]}"
        )
    try:
        splits = parquet_splits(folder)
    except InputError as error:
        raise PoolError(str(error)) from None
    if not splits:
        raise PoolError(
            f"{folder}: a folder, but no Hugging Face dataset; give a JSON file, parquet files or a folder written by "
            "save_to_disk"
        )
    if len(splits) > 1:
        alone = len({config for config, _ in splits}) == 1
        names = ", ".join(split if alone else f"{config}/{split}" for config, split in splits)
        one = next((files for (_, split), files in splits.items() if split == "train"), next(iter(splits.values())))
        raise PoolError(
            f"{folder}: holds the splits {names}; set data.annotations to the files of one, such as "
            f"{_name_of(one, [file for files in splits.values() for file in files])}"
        )
    return next(iter(splits.values()))


def _name_of(files: list[Path], others: list[Path]) -> Path:
    """What names the files of a split and no others: their folder, a pattern, or a single file."""
    parent, shard = files[0].parent, shard_of(files[0])
    if {file for file in others if parent in file.parents} == {*files}:
        return parent
    return parent / f"{shard[0]}-*.parquet" if shard else files[0]


def _named_files(pattern: Path) -> list[Path]:
    files = sorted(file for file in pattern.parent.iterdir() if fnmatchcase(file.name, pattern.name))
    if not files:
        raise PoolError(f"{pattern}: no file of that name; set data.annotations to your rows")
    try:
        check_shards(files)
    except InputError as error:
        raise PoolError(str(error)) from None
    return files


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
                columns = opened.schema_arrow.names
                yield from _of_tables(file, columns, opened.iter_batches(_BATCH, columns=sorted(_COLUMNS & {*columns})))
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
    for table in tables:
        yield from table.to_pylist()
