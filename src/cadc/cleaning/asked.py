"""Recognise questions for which an unusual answer is right: they ask for a text in the image, a name, fiction, or a
language (ours).

The patterns are wide on purpose: a question that matches is not flagged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cadc.cleaning.asked_words import CALLED, CARRIERS, LANGUAGE, NAMED, READ, SURFACES, WHO, WRITING
from cadc.cleaning.words import word_count

#: Sentences that only say how to answer. Near duplicates may differ in them.
INSTRUCTION = re.compile(
    r"(?i)(please )?(answer|respond|reply)[^.\n]*\b(word|phrase|letter|letters|character|yes or no|briefly|short|"
    r"directly)\b[^.\n]*\.?"
)
#: Requests to repeat a text, unchanged or in other words.
COPYING = re.compile(
    r"(?i)\b(repeat|rephrase|rewrite|reword|paraphrase|translate|copy|quote|proofread|correct|edit|spell|transcribe|"
    r"summari[sz]e|complete|continue|finish|fill)\b|"
    r"重复|重複|改写|翻译|复述|繰り返|訳して|repit\w*|répét\w*|wiederhol\w*|повтори\w*"
)
#: Languages that separate words by blanks and add no prefixes to them; in other languages a match may be anywhere.
_PARTED = """
    Dutch English French German Greek Indonesian Italian Others Polish Portuguese Russian Spanish Swedish Turkish
    Ukrainian Vietnamese
"""


def _any_of(tables: Sequence[dict[str, str]], *more: str) -> re.Pattern[str]:
    """One pattern for all entries of the tables and the further patterns."""
    entries = {True: {}, False: {}}
    for table in tables:
        for language, text in table.items():
            entries[language in _PARTED.split()].update(dict.fromkeys(text.split()))
    return re.compile("|".join([rf"\b(?:{'|'.join(entries[True])})\b", *entries[False], *more]), re.IGNORECASE)


_READS, _VERBATIM, _MADE_UP, _LANGUAGES = map(_any_of, ([READ], [READ, CALLED], [WRITING], [LANGUAGE]))
_WORDS = _any_of(
    [READ, CALLED, CARRIERS],
    r"\bon (?:(?:\w+ )?(?:back|end|front|roof|side|tail|top) of )?(?:(?:an?|her|his|its|my|that|the|their|this|your) )?"
    rf"(?:\w+ )?(?:{'|'.join(SURFACES.split())})s?\b",
)
_NAMES = _any_of(
    [WHO],
    r"\bwhat(?:'s| is| was) (?:it|that|this)(?: \w+){0,2}\W*$",
    rf"\b(?:name (?:of )?(?:a|the|this)|what|which) (?:\w+ ){{0,2}}(?:{'|'.join(NAMED.split())})s?\b",
)
_LONG = 40  # words
_FOLLOWS = 8  # maximum words of a question that continues the previous one


def for_reading(question: str) -> bool:
    """Whether a question asks for spoken or written words, such as a text in the image, or for a title. Long questions
    are excluded, because they contain such words anyway.
    """
    question = INSTRUCTION.sub(" ", question)
    return word_count(question) <= _LONG and bool(_READS.search(question))


def for_wording(question: str) -> bool:
    """Whether a question asks for exact words of any length: as in `for_reading`, or a name or an address."""
    return bool(_VERBATIM.search(INSTRUCTION.sub(" ", question)))


def for_words(question: str, before: Sequence[str] = ()) -> bool:
    """Whether an answer may be in any language: as in `for_wording`, or for things that carry text or have a name.

    before: the row's earlier questions. A short question continues the previous one: "And on the left?"
    """
    for text in (question, *reversed(before)):
        asked = INSTRUCTION.sub(" ", text)
        if _WORDS.search(asked):
            return True
        if word_count(asked) > _FOLLOWS:
            return False
    return False


def for_name(question: str) -> bool:
    """Whether a name may be the answer: of a person or a place, or of something to recognise."""
    return bool(_NAMES.search(INSTRUCTION.sub(" ", question)))


def for_writing(question: str) -> bool:
    """Whether a question asks for fiction, or for what somebody may say or think."""
    return bool(_MADE_UP.search(INSTRUCTION.sub(" ", question)))


def for_language(question: str) -> bool:
    """Whether a question names a language."""
    return bool(_LANGUAGES.search(question))
