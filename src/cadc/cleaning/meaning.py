"""Meaning of short answers: the option that a letter stands for, or the answer's own words (ours)."""

from __future__ import annotations

import re

LETTER = re.compile(r"^\W*([A-I])(?:\W|$)")  # at the start of an answer
_OPTION_LINE = re.compile(r"(?m)^(?:([A-I])[:.)]|\(([A-I])\)) (.*)$")


def options_of(question: str) -> dict[str, str]:
    """A question's options by letter, each on a line of its own; {} if it lists none."""
    return {plain or inner: text.strip() for plain, inner, text in _OPTION_LINE.findall(question)}


def in_words(answer: str, options: dict[str, str]) -> str:
    """An answer's meaning: the text of the option that it names, else the answer; lower case, without a full stop."""
    letter = LETTER.match(answer)
    named = options.get(letter[1]) if letter else None
    return (answer if named is None else named).strip().rstrip(".").strip().lower()
