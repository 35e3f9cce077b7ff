"""The records of a pool, one at a time: LLaVA's JSON list, JSONL, parquet, or a Hugging Face dataset saved on disk.

However large the file, only a window of it is in memory. A record is what the file holds, not checked yet.
"""

from __future__ import annotations

import codecs
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import datasets
import pyarrow.parquet as pq

from cadc.config.errors import InputError

LONGEST_ROW = 1 << 24  # characters of one row (ours); where there are more, a quote or a bracket is missing
_BLOCK = 1 << 20  # bytes read at a time
_BATCH = 64  # rows of a table turned into records at a time: they may hold images
_SPACE = re.compile(r"[ \t\n\r]*")
_COLUMNS = {"id", "source", "image", "images", "conversations"}


class PoolError(InputError):
    """A file or a row that can't be used; the message names the file, the row id and the fix."""


def read_records(path: Path) -> Iterator:
    """The records at `path`, in order.

    It is a JSON list, .jsonl, .parquet, a folder of .parquet files or one that `datasets.save_to_disk` wrote. Raises
    PoolError, naming the line where there is one, if the file is missing, breaks off or is none of these.
    """
    if not path.exists():
        raise PoolError(f"{path}: no such file; set data.annotations to your LLaVA-format JSON")
    if path.is_dir() or path.suffix == ".parquet":
        return _tabled(path)
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


def _tabled(path: Path) -> Iterator:
    files = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
    if (path / "dataset_dict.json").exists():
        splits = sorted(each.name for each in path.iterdir() if (each / "state.json").exists())
        if not splits:
            raise PoolError(f"{path}: a data set of several splits, but none of them is there; fetch or write it again")
        raise PoolError(
            f"{path}: holds the splits {', '.join(splits)}; set data.annotations to one of their folders, "
            f"such as {path / splits[0]}"
        )
    saved = (path / "state.json").exists()
    if not (saved or files):
        raise PoolError(
            f"{path}: a folder, but no Hugging Face dataset; give a JSON file, parquet files or a folder written by "
            "save_to_disk"
        )
    try:
        if saved:
            dataset = datasets.load_from_disk(str(path))
            columns, tables = dataset.column_names, dataset.with_format("arrow").iter(_BATCH)
            yield from _of_tables(path, columns, tables)
        for file in [] if saved else files:
            with pq.ParquetFile(file, memory_map=True, pre_buffer=False) as opened:
                yield from _of_tables(
                    file,
                    opened.schema_arrow.names,
                    opened.iter_batches(_BATCH, columns=sorted(_COLUMNS & {*opened.schema_arrow.names})),
                )
    except PoolError:
        raise
    except Exception as error:  # whatever Arrow and datasets raise at broken files
        said = " ".join(str(error).split())[:200]
        raise PoolError(
            f"{path}: can't be read as a dataset ({type(error).__name__}: {said}); fetch or write it again"
        ) from None


def _of_tables(path: Path, columns: list[str], tables) -> Iterator[dict]:
    if not {"id", "conversations"} <= {*columns}:
        raise PoolError(
            f"{path}: has the columns {', '.join(columns)}; it needs id, conversations and, "
            "for pictures, image or images"
        )
    for table in tables:
        yield from table.to_pylist()
