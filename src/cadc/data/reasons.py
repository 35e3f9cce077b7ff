"""Shared parts of data error messages: reason, value and fix. The caller adds the file and the row."""

from __future__ import annotations

import re
import unicodedata
from typing import NoReturn

from cadc.config.errors import InputError

#: Invisible characters besides Python's white space: controls, soft hyphen, fillers, zero-width characters, text
#: direction marks, variation selectors, byte order mark, tags (Unicode's Default_Ignorable_Code_Point, and Braille's
#: blank).
_UNSEEN = re.compile(
    "[\\s\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]*"
)


_LONGEST = 2000  # characters of a message: an id may be a text of a megabyte


class PoolError(InputError):
    """A file or a row can't be used. The message, one line, names the file, the row id and the fix."""

    _kept = ""  # an id or a file's name may hold a line break

    def __init__(self, message: str = ""):
        text = str(message)
        super().__init__(text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}")


def fail(reason: str) -> NoReturn:
    raise InputError(reason)


def shown(value) -> str:
    """The value as quoted in a message; long values are cut."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:160]}... ({len(text)} characters)"


def check_text(text: str, what: str) -> str:
    """The text, if it can be written as UTF-8 (JSON escapes may contain half a surrogate pair); else InputError."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        fail(
            f"{what} holds half a surrogate pair, {text[error.start]!a}, at character {error.start}; "
            "write the whole character"
        )
    return text


def is_blank(text: str) -> bool:
    """Whether the text has no visible character: it is empty, white space, controls or zero-width characters."""
    return _UNSEEN.fullmatch(text) is not None


def visible(text: str) -> str:
    """The visible text: NFC-normalised, without invisible characters; white space is kept."""
    return _UNSEEN.sub(lambda found: "".join(filter(str.isspace, found[0])), unicodedata.normalize("NFC", text))


def some(names: list[str]) -> str:
    """The first three names, joined for a message."""
    return ", ".join(names[:3]) + ("..." if len(names) > 3 else "")
