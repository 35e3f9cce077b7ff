"""How a fault of people's data is said: the reason, the value and the fix; who catches it adds file and row."""

from __future__ import annotations

import re
import unicodedata

from cadc.config.errors import InputError

#: Characters that show nothing, besides those that Python calls white space: controls, soft hyphen, fillers, zero
#: width, directions, variation selectors, byte order mark, tags (Unicode's Default_Ignorable_Code_Point, and Braille's
#: blank).
_UNSEEN = re.compile(
    "[\\s\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]*"
)


_LONGEST = 2000  # characters of a message: an id may be a text of a megabyte


class PoolError(InputError):
    """A file or a row that can't be used; the message, one line, names the file, the row id and the fix."""

    _kept = ""  # an id or a file's name may hold a line break

    def __init__(self, message: str = ""):
        text = str(message)
        super().__init__(text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}")


def fail(reason: str):
    raise InputError(reason)


def shown(value) -> str:
    """The value as a message quotes it: whole if it is short."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:160]}... ({len(text)} characters)"


def check_text(text: str, what: str) -> str:
    """The text, which must be writable as UTF-8: JSON's escapes may name half a character."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        fail(
            f"{what} holds half a surrogate pair, {text[error.start]!a}, at character {error.start}; "
            "write the whole character"
        )
    return text


def is_blank(text: str) -> bool:
    """Whether nothing of the text can be seen: it is empty, or white space, controls and zero-width characters."""
    return _UNSEEN.fullmatch(text) is not None


def visible(text: str) -> str:
    """What is seen of a text: accents composed, and without characters that show nothing, but for white space."""
    return _UNSEEN.sub(lambda found: "".join(filter(str.isspace, found[0])), unicodedata.normalize("NFC", text))


def some(names: list[str]) -> str:
    """The first of the names, as a message lists them."""
    return ", ".join(names[:3]) + ("..." if len(names) > 3 else "")
