"""The kind of a wrong answer: wrong format, given without the picture, near miss, or another (ours)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from cadc.cleaning.meaning import LETTER, in_words, options_of

FORMAT, BLIND, NEAR, OTHER = KINDS = ("format", "no image", "near miss", "other")
_YES_NO = re.compile(r"\W*(yes|no)\b")
_LEAD = re.compile(r"^(?:(?:it(?:'s| is)|there (?:is|are)|this is|the answer is|an?|the)\s+)+")
_PHRASE_WORDS = 5  # an open answer of more words is no word or phrase


def wants_yes_no(answer: str) -> bool:
    """Whether a question with this right answer is one of yes or no."""
    return answer.strip().lower() in ("yes", "no")


def means_the_same(said: str, answer: str, options: dict[str, str]) -> bool:
    """Whether an answer means what the right one does, in whatever form: its yes or no, or its words behind "it is"."""
    said, answer = in_words(said, options), in_words(answer, options)
    if not options and wants_yes_no(answer):
        found = _YES_NO.match(said)
        return bool(found) and found[1] == answer
    return _LEAD.sub("", said) == _LEAD.sub("", answer)


def breaks_format(said: str, options: dict[str, str], yes_no: bool) -> bool:
    """Whether an answer has another form than asked for: an option's letter, yes or no, or a word or phrase."""
    if options:
        letter = LETTER.match(said)
        return not letter or letter[1] not in options
    if yes_no:
        return not _YES_NO.match(said.lower())
    return not 1 <= len(said.split()) <= _PHRASE_WORDS


def one_edit(a: str, b: str) -> bool:
    """Whether one letter put in, left out or changed makes one text of the other (Levenshtein distance 1)."""
    if abs(len(a) - len(b)) > 1 or a == b:
        return False
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return a[at + (len(a) >= len(b)) :] == b[at + (len(b) >= len(a)) :]


def near_miss(said: str, answer: str) -> bool:
    """One off in a number, or one edit in a word of three letters or more."""
    if said.isdigit() and answer.isdigit():
        return abs(int(said) - int(answer)) == 1
    return min(len(said), len(answer)) >= 3 and one_edit(said, answer)


def error_kind(question: str, answer: str, said: str, blind: str) -> str:
    """The first kind that fits a wrong answer: `format`; `no image`, if a blank picture gets the same answer; `near
    miss`; `other`.
    """
    options = options_of(question)
    if breaks_format(said, options, wants_yes_no(answer)):
        return FORMAT
    if said.strip() == blind.strip():
        return BLIND
    return NEAR if near_miss(in_words(said, options), in_words(answer, options)) else OTHER


def confusions(pairs: Sequence[tuple[str, str]], top: int = 3) -> list[tuple[str, str, int]]:
    """The commonest pairs (right answer, given answer), with their counts; of equals the first in the alphabet."""
    counts = sorted(Counter(pairs).items(), key=lambda item: (-item[1], item[0]))
    return [(*pair, count) for pair, count in counts[:top]]
