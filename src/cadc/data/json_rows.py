"""Parse a JSON list or JSON lines one value at a time, with the line where each value begins.

Only a window of the file is in memory, whatever its size.
"""

from __future__ import annotations

import codecs
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cadc.data.file_kinds import other_file
from cadc.data.reasons import PoolError

LONGEST_ROW = 1 << 24  # characters in one row (ours); a longer one means a missing quote or bracket
LINES = (".jsonl", ".ndjson", ".jsonlines")  # extensions of files with one value per line
_BLOCK = 1 << 20  # bytes read at a time
_SPACE = re.compile(r"[ \t\n\r]*")
_COMMA = re.compile(r",[ \t\n\r]*\Z")
_MARK = codecs.BOM_UTF8  # written by Windows editors
_TORN = re.compile(r"[ \t\n\r]*[\w.+\\-]{0,16}")  # a word, number or escape cut off by the end of the window


@dataclass(frozen=True)
class Unusable:
    """A value with a repeated key in an object (ambiguous), or with a number too long for Python.

    id: the row's id; reason: includes line and fix.
    """

    id: object
    reason: str


class _Decoder(json.JSONDecoder):
    def __init__(self, **how):
        super().__init__(object_pairs_hook=self._object, **how)
        self.fault: tuple[str, str] | None = None  # (what is wrong, fix)

    def _object(self, pairs: list[tuple[str, object]]) -> dict:
        made = dict(pairs)
        if len(made) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            self.fault = f"names {twice!r} twice in one object", "keep one of the two"
        return made

    def value(self, text: str, at: int, line: int) -> tuple[object, int]:
        """The value that begins at `at` (line `line` of the file), and where it ends."""
        self.fault = None
        try:
            value, end = self.raw_decode(text, at)
        except json.JSONDecodeError:
            raise
        except ValueError:  # Python limits the digits of an integer
            return _Patient().value(text, at, line)
        if self.fault is not None:
            what, fix = self.fault
            value = Unusable(value.get("id") if isinstance(value, dict) else None, f"{what} (line {line}); {fix}")
        return value, end


class _Patient(_Decoder):
    """A decoder that continues after a number that is too long."""

    def __init__(self):
        super().__init__(parse_int=self._number)

    def _number(self, digits: str) -> int | None:
        try:
            return int(digits)
        except ValueError:
            self.fault = f"holds a number of {len(digits)} digits, {digits[:10]}...", "write it as a text"
            return None


def _why(error: json.JSONDecodeError | RecursionError, text: str) -> str:
    """The decoder's reason why `text` is invalid."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    at = _SPACE.match(text, error.pos).end()
    if text[at : at + 1] in ("]", "}") and _COMMA.search(text, max(0, at - 1000), at):
        return f"a comma before the closing {text[at]}: delete it"
    return error.msg


def json_values(path: Path, lines: bool | None = None) -> Iterator[tuple[int, Any]]:
    """(line, value) for each value of a JSON list, or of a file with one value per line, as its name or `lines` says.

    The value is an `Unusable` if an object repeats a key or a number is too long. Raises PoolError naming the line if
    the file is truncated, not UTF-8 or not JSON.
    """
    with path.open("rb") as file:
        if other := other_file(file.read(512)):
            raise PoolError(f"{path}: {other}")
        file.seek(0)
        if (path.suffix.lower() in LINES if lines is None else lines) and _first_character(file) != b"[":
            yield from _lines(path, file)
        else:
            yield from _listed(path, file)


def _first_character(file) -> bytes:
    """The first byte that is not white space; rewinds the file."""
    text = file.read(len(_MARK)).removeprefix(_MARK).lstrip()
    while not text and (block := file.read(_BLOCK)):
        text = block.lstrip()
    file.seek(0)
    return text[:1]


def _lines(path: Path, file) -> Iterator[tuple[int, Any]]:
    decoder = _Decoder()
    for number in itertools.count(1):
        line = file.readline(LONGEST_ROW + 1)
        if not line:
            return
        if len(line) > LONGEST_ROW:
            raise PoolError(
                f"{path}, line {number}: longer than {LONGEST_ROW} bytes, the limit for a row; "
                "put each row on its own line"
            )
        try:
            text = (line.removeprefix(_MARK) if number == 1 else line).decode().rstrip()
            start = len(text) - len(text.lstrip())
            if text:
                value, end = decoder.value(text, start, number)
                if end < len(text):
                    raise json.JSONDecodeError("Extra data", text, end)
                yield number, value
        except UnicodeDecodeError as error:
            raise PoolError(
                f"{path}, line {number}: not UTF-8 at byte {error.start} of the line; re-save the file as UTF-8"
            ) from None
        except (json.JSONDecodeError, RecursionError) as error:
            column = f"column {error.pos + 1}: " if isinstance(error, ValueError) else ""
            raise PoolError(
                f"{path}, line {number}: not JSON ({column}{_why(error, text)}); repair or remove the line"
            ) from None


class _Window:
    """A sliding window over a text file: `text` from `at` on is read but not parsed. Lines are counted up to `counted`:
    that character is in line `line`, which begins `column` characters before the text.
    """

    def __init__(self, path: Path, file):
        self.path, self.file, self.decoder = path, file, codecs.getincrementaldecoder("utf-8")()
        self.text, self.at, self.ended, self.last_id = "", 0, False, None
        self.line, self.counted, self.column = 1, 0, 0

    def more(self) -> bool:
        """Double the text, reading at least one block; False at the end of the file."""
        if self.ended:
            return False
        self.line_at(self.at)
        start = self.text.rfind("\n", 0, self.at) + 1
        self.column = self.at - start if start else self.column + self.at
        kept, before = self.text[self.at :], self.file.tell() - len(self.decoder.getstate()[0])
        block = self.file.read(max(_BLOCK, len(kept)))
        self.ended = not block
        try:
            self.text, self.at, self.counted = kept + self.decoder.decode(block, final=self.ended), 0, 0
        except UnicodeDecodeError as error:
            raise PoolError(
                f"{self.path}: not UTF-8 at byte {before + error.start}; re-save the file as UTF-8"
            ) from None
        if not before:
            self.text = self.text.removeprefix("\ufeff")
        return True

    def line_at(self, at: int) -> int:
        """The line of a character; `at` must not decrease between calls."""
        self.line += self.text.count("\n", self.counted, at)
        self.counted = at
        return self.line

    def character(self) -> str:
        """The next character that is not white space; empty at the end of the file."""
        while True:
            self.at = _SPACE.match(self.text, self.at).end()
            if self.at < len(self.text) or not self.more():
                return self.text[self.at : self.at + 1]

    def value(self, decoder: _Decoder) -> tuple[int, Any]:
        """The line and the JSON value that starts here."""
        while True:
            line, too_long = self.line_at(self.at), len(self.text) - self.at > LONGEST_ROW
            try:
                value, end = decoder.value(self.text, self.at, line)
            except RecursionError as error:
                raise self.broken(_why(error, self.text), self.at) from None
            except json.JSONDecodeError as error:
                # an error before the end of the text stays an error, whatever follows
                cut = error.msg.startswith("Unterminated") or _TORN.fullmatch(self.text, error.pos) is not None
                if too_long or not cut or not self.more():
                    raise self.broken(_why(error, self.text), error.pos, cut) from None
                continue
            if end - self.at > LONGEST_ROW:
                raise self.broken("too long", end)
            unclear = (
                isinstance(value, int | float) and self.text[end : end + 1] in "0123456789.eE+-"
            )  # a number may continue beyond the window
            if not unclear or too_long or not self.more():
                self.at = end
                self.last_id = value.get("id") if isinstance(value, dict) else None
                return line, value

    def broken(self, reason: str, at: int, cut: bool = False) -> PoolError:
        ids = re.findall(r'"id"\s*:\s*"?([^",}\n]{1,100})', self.text[self.at : at])
        near = ids[-1] if ids else self.last_id
        start = self.text.rfind("\n", 0, at) + 1
        column = at - start + 1 + (0 if start else self.column)
        where = f"{self.path}, line {self.line_at(at)}{'' if near is None else f' near row {near}'}"
        if cut and self.ended:
            return PoolError(f"{where}: JSON is truncated ({reason}); the file is incomplete, fetch or write it again")
        long = f", or a row above {LONGEST_ROW} characters" if cut or len(self.text) - self.at > LONGEST_ROW else ""
        return PoolError(f"{where}: not JSON{long} (column {column}: {reason}); repair or remove the row")


def _listed(path: Path, file) -> Iterator[tuple[int, Any]]:
    window, decoder = _Window(path, file), _Decoder()
    first = window.character()
    if first != "[":
        found = f"it starts with {first!r}" if first else "it is empty"
        raise PoolError(
            f"{path}: not a list of rows, {found}; wrap the rows in [ ], or name the file .jsonl if each line is a row"
        )
    window.at += 1
    ended = window.character() == "]"
    while not ended:
        yield window.value(decoder)
        after = window.character()
        ended = after == "]"
        if not ended:
            if after != ",":
                raise window.broken("expecting ',' or ']' after the row", window.at, cut=not after)
            window.at += 1
            if window.character() == "]":
                raise window.broken("a comma before the closing ]: delete it", window.at)
    window.at += 1
    if window.character():
        raise window.broken("more text after the list", window.at)
