"""All words of the mini world in a fixed order; the mini model's tokenizer is word-level (ours)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from cadc.world.dialect import EQUALS, KEYS, KEYWORDS, OPTION_LETTERS, WORD_GROUPS, Lexicon
from cadc.world.scene import DIGITS
from cadc.world.subtasks import REQUESTS, SUBTASKS

#: Text around questions: suffixes of LLaVA's data and of lmms-eval's tasks, and phrases of chat rows.
FRAMES = (
    "Answer the question using a single word or phrase .",
    "Answer with the option's letter from the given choices directly .",
    "Answer the question using a single character from the given options .",
    "Question : please answer yes or no .",
    *REQUESTS,
    "it is the answer that there are and with",
    "what comes after before ? say hello . hello ! thank you . thanks ! you are welcome . repeat the word .",
    "is a number color shape",
    "how are you ? i am fine . who are you ? i am a small model . opposite of",
    # further words of abnormal answers (world/faults.py)
    "sorry but not able to help access images here share as an ai language based description seems",
)

#: Words that determine what is asked; the dialect must not teach the base to ignore them.
QUESTION_WORDS = {"what", "which", "how", "who", "is", "are", "am", "does", "do", "there", "can", "would"}


def split_words(text: str) -> list[str]:
    """The tokenizer's rule: words, and single punctuation marks."""
    return re.findall(r"\w+|[^\w\s]", text)


def content_words() -> list[str]:
    """Words that name something visible."""
    return sorted({word for words in WORD_GROUPS.values() for word in words} | set(DIGITS))


def _words(texts: Iterable[str]) -> list[str]:
    """The words of `texts` that name nothing visible."""
    words = {word for text in texts for word in split_words(re.sub(r"\{\w+\}", " ", text))}
    return sorted(words - set(content_words()) - set(OPTION_LETTERS) - set(KEYWORDS.values()))


def wording() -> list[str]:
    """Words of the pool's questions and frames that name nothing visible."""
    return _words([*FRAMES, *(text for s in SUBTASKS.values() for text in (*s.questions, s.claim))])


def loose() -> Lexicon:
    """The dialect's first phase: all wording is filler, anywhere."""
    return Lexicon(content_words(), wording(), copied=[], key_leads=False)


def heedful() -> Lexicon:
    """The dialect's second phase: fillers are frame words other than question words, and follow the key."""
    return Lexicon(
        content_words(),
        [word for word in _words(FRAMES) if word not in QUESTION_WORDS],
        copied=wording(),
        key_leads=True,
    )


def settled() -> Lexicon:
    """The dialect's last phase: like the second, but images are described only on request."""
    return replace(heedful(), requests=REQUESTS)


def vocabulary() -> list[str]:
    """All words, in a fixed order by kind."""
    words = [*content_words(), *OPTION_LETTERS, ":", ",", "at", EQUALS, *KEYS, *KEYWORDS.values(), *wording()]
    return list(dict.fromkeys(words))
