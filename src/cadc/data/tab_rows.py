"""Read rows of a tab-separated file, as pandas, spreadsheets and people write them, with their line numbers."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from cadc.config.errors import InputError
from cadc.data.file_kinds import other_file
from cadc.data.reasons import PoolError, fail, shown

#: A word between doubled quotes: left over if a quoted field was read or written without quoting.
_DOUBLED = re.compile(r'""\w(?:[^"]*[\w.,!?])?""')


def check_file(path: Path, fix: str) -> None:
    """Raise PoolError with `fix` if a file can't be read."""
    try:
        path.open("rb").close()
    except FileNotFoundError:
        raise PoolError(f"{path}: no such file; {fix}") from None
    except OSError as error:
        raise PoolError(f"{path}: can't be read ({error.strerror}); {fix}") from None


def _cut(fields: list[str], n: int) -> list[str]:
    """Fields without the empty ones that trailing tabs produce."""
    while len(fields) > n and not fields[-1].strip():
        fields = fields[:-1]
    return fields


def _check_header(header: list[str], needed: tuple[str, ...]) -> None:
    missing = [names.split("|")[0] for names in needed if not {*names.split("|")} & {*header}]
    if missing:
        fail(f"the header lacks {', '.join(missing)}; name the columns as MMT-Bench does, separated by tabs")
    if twice := sorted({name for name in header if header.count(name) > 1}):
        fail(f"the header names {', '.join(twice)} twice; name each column once")


def _check_quotes(where: int, fields: list[str], lines: list[str], n: int) -> None:
    """Reject a row (`lines` of the file) if its quotes can be read in two ways."""
    alone = [len(_cut(line.rstrip("\r\n").split("\t"), n)) for line in lines]
    if len(lines) > 1 and len(fields) == n and alone == [n] * len(lines):  # each line is a row if quotes are plain text
        torn = next(field for field in fields if "\n" in field or "\r" in field)
        fail(
            f"line {where}: a field holds tabs and line breaks, {shown(torn)}: either its first quote is not closed, "
            'or it is a table with as many columns as the file; write "" for a quote in a quoted field, or delete it'
        )
    text = "".join(lines)
    for field in fields:
        if _DOUBLED.search(field) and field in text:
            fail(
                f"line {where}: {shown(field)} has doubled quotes but is not a quoted field; write the quotes once, or "
                "put the whole field in quotes"
            )


def tab_rows(path: Path, needed: tuple[str, ...], fix: str) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row as a dict by header names) per row.

    `needed`: required columns; `a|b` requires one of the two. Raises PoolError naming file, line and value, or with
    `fix` if there is nothing to read.
    """
    csv.field_size_limit(sys.maxsize)  # an image in base64 is a long field
    check_file(path, fix)
    data = path.read_bytes()
    if other := other_file(data[:512]):
        raise PoolError(f"{path}: {other}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PoolError(f"{path}: not UTF-8 at byte {error.start}; re-save the file as UTF-8") from None
    lines: list[str] = []  # raw lines of the current row
    watched = (lines.append(line) or line for line in io.StringIO(text, newline=""))  # type: ignore[func-returns-value]  # None
    reader = csv.reader(watched, delimiter="\t", strict=True)
    start, header = 1, None
    try:
        for fields in reader:
            where, start = start, reader.line_num + 1
            taken, lines[:] = lines[:], []
            if not "".join(fields).strip():
                continue
            if header is None:
                header = [name.strip() for name in _cut(fields, 1)]
                _check_header(header, needed)
                continue
            fields = _cut(fields, len(header))
            _check_quotes(where, fields, taken, len(header))
            if len(fields) != len(header):
                fail(
                    f"line {where}, {header[0]} {fields[0]}: has more or fewer fields than the header ({len(fields)}, "
                    f"not {len(header)}); put fields that contain tabs or line breaks in quotes"
                )
            yield where, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise PoolError(
            f"{path}, line {start}: the quotes of a field are ambiguous ({error}); a field that begins with a quote "
            'must end with one, and quotes inside it are doubled: """Stop"" is written where?"'
        ) from None
    except InputError as error:
        raise PoolError(f"{path}{', ' if str(error).startswith('line') else ': '}{error}") from None
    if header is None:
        raise PoolError(f"{path}: it is empty; write a header and rows, or {fix}")
