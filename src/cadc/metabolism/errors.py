"""The kind of a wrong answer: wrong format, unchanged without the image, near miss, or other (ours)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from cadc.cleaning.meaning import LETTER, in_words, options_of

FORMAT, BLIND, NEAR, OTHER = KINDS = ("format", "no image", "near miss", "other")
_YES_NO = re.compile(r"\W*(yes|no)\b")
_LEAD = re.compile(r"^(?:(?:it(?:'s| is)|there (?:is|are)|this is|the answer is|an?|the)\s+)+")
_PHRASE_WORDS = 5  # maximum words of a short open answer


def wants_yes_no(answer: str) -> bool:
    """Whether a question with this reference answer is a yes/no question."""
    return answer.strip().lower() in ("yes", "no")


def means_the_same(said: str, answer: str, options: dict[str, str]) -> bool:
    """Whether an answer means the same as the reference in any form: its yes or no, or its words after "it is"."""
    said, answer = in_words(said, options), in_words(answer, options)
    if not options and wants_yes_no(answer):
        found = _YES_NO.match(said)
        return bool(found) and found[1] == answer
    return _LEAD.sub("", said) == _LEAD.sub("", answer)


def breaks_format(said: str, options: dict[str, str], yes_no: bool) -> bool:
    """Whether an answer lacks the required form: an option's letter, yes or no, or a word or phrase."""
    if options:
        letter = LETTER.match(said)
        return not letter or letter[1] not in options
    if yes_no:
        return not _YES_NO.match(said.lower())
    return not 1 <= len(said.split()) <= _PHRASE_WORDS


def one_edit(a: str, b: str) -> bool:
    """Whether one inserted, deleted or changed letter turns one text into the other (Levenshtein distance 1)."""
    if abs(len(a) - len(b)) > 1 or a == b:
        return False
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return a[at + (len(a) >= len(b)) :] == b[at + (len(b) >= len(a)) :]


def near_miss(said: str, answer: str) -> bool:
    """Off by one in a number, or one edit in a word of at least three letters."""
    if said.isdigit() and answer.isdigit():
        return abs(int(said) - int(answer)) == 1
    return min(len(said), len(answer)) >= 3 and one_edit(said, answer)


def error_kind(question: str, answer: str, said: str, blind: str) -> str:
    """The first kind that fits a wrong answer: `format`; `no image`, if the answer is the same on a blank image; `near
    miss`; `other`.
    """
    options = options_of(question)
    if breaks_format(said, options, wants_yes_no(answer)):
        return FORMAT
    if said.strip() == blind.strip():
        return BLIND
    return NEAR if near_miss(in_words(said, options), in_words(answer, options)) else OTHER


def confusions(pairs: Sequence[tuple[str, str]], top: int = 3) -> list[tuple[str, str, int]]:
    """The most common pairs (correct answer, given answer) with their counts; ties in alphabetical order."""
    counts = sorted(Counter(pairs).items(), key=lambda item: (-item[1], item[0]))
    return [(*pair, count) for pair, count in counts[:top]]
