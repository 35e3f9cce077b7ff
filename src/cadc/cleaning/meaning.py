"""What short answers mean: the option that a letter names, or the answer's own words (ours)."""

from __future__ import annotations

import re

LETTER = re.compile(r"^\W*([A-I])(?:\W|$)")  # at the head of an answer
_OPTION_LINE = re.compile(r"(?m)^(?:([A-I])[:.)]|\(([A-I])\)) (.*)$")


def options_of(question: str) -> dict[str, str]:
    """The options that a question lists, by letter, each on a line of its own: {} for one that lists none."""
    return {plain or inner: text.strip() for plain, inner, text in _OPTION_LINE.findall(question)}


def in_words(answer: str, options: dict[str, str]) -> str:
    """What an answer means: the option its letter names, else the answer itself; lower case, without a full stop."""
    letter = LETTER.match(answer)
    named = options.get(letter[1]) if letter else None
    return (answer if named is None else named).strip().rstrip(".").strip().lower()
