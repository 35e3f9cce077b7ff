"""What a question asks for, where that makes an odd answer the right one: words that stand in the picture, a name, made
up text, a language (ours).

They take too much in rather than too little: what they know is not flagged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cadc.cleaning.asked_words import CALLED, CARRIERS, LANGUAGE, NAMED, READ, SURFACES, WHO, WRITING
from cadc.cleaning.words import word_count

#: Sentences that only say how to answer; near duplicates differ in them.
INSTRUCTION = re.compile(
    r"(?i)(please )?(answer|respond|reply)[^.\n]*\b(word|phrase|letter|letters|character|yes or no|briefly|short|"
    r"directly)\b[^.\n]*\.?"
)
#: Requests to say a text again, as it is or in other words.
COPYING = re.compile(
    r"(?i)\b(repeat|rephrase|rewrite|reword|paraphrase|translate|copy|quote|proofread|correct|edit|spell|transcribe|"
    r"summari[sz]e|complete|continue|finish|fill)\b|"
    r"重复|重複|改写|翻译|复述|繰り返|訳して|repit\w*|répét\w*|wiederhol\w*|повтори\w*"
)
#: Languages whose words blanks part, and that add nothing to the front of them; of the others any place counts.
_PARTED = """
    Dutch English French German Greek Indonesian Italian Others Polish Portuguese Russian Spanish Swedish Turkish
    Ukrainian Vietnamese
"""


def _any_of(tables: Sequence[dict[str, str]], *more: str) -> re.Pattern[str]:
    """One pattern for all entries of tables, and more patterns."""
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
_FOLLOWS = 8  # words that a question has at most that goes on with the one before


def for_reading(question: str) -> bool:
    """Whether a question asks for words that somebody says, or that stand in the picture, or for a title. Long ones
    have such words of their own.
    """
    question = INSTRUCTION.sub(" ", question)
    return word_count(question) <= _LONG and bool(_READS.search(question))


def for_wording(question: str) -> bool:
    """Whether a question asks for words as they are, of any length: as above, a name or an address."""
    return bool(_VERBATIM.search(INSTRUCTION.sub(" ", question)))


def for_words(question: str, before: Sequence[str] = ()) -> bool:
    """Whether a question asks for what may be in any language: as above, or what carries words or has a name.

    before: the row's earlier questions. A short one goes on with the one before: "And on the left?"
    """
    for text in (question, *reversed(before)):
        asked = INSTRUCTION.sub(" ", text)
        if _WORDS.search(asked):
            return True
        if word_count(asked) > _FOLLOWS:
            return False
    return False


def for_name(question: str) -> bool:
    """Whether a name may answer a question: of a person, a place, or what is to be recognized."""
    return bool(_NAMES.search(INSTRUCTION.sub(" ", question)))


def for_writing(question: str) -> bool:
    """Whether a question asks for text that is made up, or for what somebody may say or think."""
    return bool(_MADE_UP.search(INSTRUCTION.sub(" ", question)))


def for_language(question: str) -> bool:
    """Whether a question names a language."""
    return bool(_LANGUAGES.search(question))
