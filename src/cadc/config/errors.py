"""Errors for the person who runs a stage, as opposed to defects of the code."""

from __future__ import annotations

from pathlib import Path

_LONGEST = 300  # characters of a library's message


class InputError(ValueError):
    """A fault in the user's input; the message names file, row id, value and fix.

    Stages print it as one line, without a traceback. What can't be seen in it, such as a terminal's controls out of a
    file's name or a row's id, is written as an escape.
    """

    _kept = "\n"  # of several faults each has a line

    def __init__(self, message: str = ""):
        super().__init__("".join(c if c.isprintable() or c in self._kept else ascii(c)[1:-1] for c in str(message)))


def first_line(error: Exception) -> str:
    """A library's message as a sentence quotes it: without the paragraphs that Hugging Face's add, and not the value
    of a megabyte that it is about."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def missing(path: Path | str) -> InputError:
    """The error for an output, or a part of one, that has not been made or was deleted."""
    return InputError(f"{path}: no such file; run `dvc repro` to make it")
