"""Errors for the person who runs a stage, as opposed to defects of the code."""

from __future__ import annotations

from pathlib import Path

_LONGEST = 300  # characters of a library's message


class InputError(ValueError):
    """A fault in the user's input; the message names file, row id, value and fix.

    Stages print it without a traceback. Characters that can't be printed, such as terminal controls in a file name or a
    row's id, are written as escapes.
    """

    _kept = "\n"  # separates several faults

    def __init__(self, message: str = ""):
        super().__init__("".join(c if c.isprintable() or c in self._kept else ascii(c)[1:-1] for c in str(message)))


def first_line(error: Exception) -> str:
    """The first line of a library's message, of at most `_LONGEST` characters: Hugging Face's messages have further
    paragraphs, and others repeat a whole value."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def missing(path: Path | str) -> InputError:
    """The error for an output, or a part of one, that has not been made or was deleted."""
    return InputError(f"{path}: no such file; run `dvc repro` to make it")
