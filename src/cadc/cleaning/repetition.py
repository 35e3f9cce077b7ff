"""Repetition loops: an answer that says the same again and again, as greedy decoding does when it is stuck."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from itertools import groupby
from typing import NamedTuple

import numpy as np

from cadc.cleaning.findings import Findings, questions_and_answers, shown
from cadc.cleaning.words import units

_NEARLY_ALL = 0.5  # of the units of a loop whose rounds differ a little, by their numbers
#: Requests for text that says things again.
_ASKED = re.compile(
    r"(?i)\b(again and again|chant\w*|choruse?s?|each (cell|letter|pixel|row|square|word)|in order(?! to)|"
    r"left to right|"
    r"lyrics|mantra|nursery|over and over|poems?|raps?|refrain|rhymes?|row by row|sing|songs?|sound|(?<!many )times|"
    r"tongue twister|top to bottom|canci[óo]n|canta\w*|canzone|canção|chanson|chante\w*|gedicht|letra|lied(er)?|"
    r"paroles|poema|poème|poesia|sång|песн\w+|припев|пісн\w+|стих\w*|"
    r"\w+ (fois|gånger|kali|keer|kez|lần|mal|raz(a|y)?|veces|vezes|volte|раз(а|ів)?))\b|"
    r"[\d一二三四五六七八九十百]+ ?[回次遍번]|副歌|歌|诗|詩|노래|가사|أغنية|गीत|"
    r"เพลง"
)


class Repeated(NamedTuple):
    """What an answer says again."""

    share: float  # of its units in an n-gram that occurred before
    stretch: float  # of its units in the longest run of these that has one n-gram twice, so thrice with the first
    gram: tuple[str, ...]  # the commonest n-gram, () without any
    count: int  # type: ignore[assignment]  # how often that occurs; tuple has a method of this name, which nobody calls


def repeated_share(units: list[str], n: int) -> Repeated:
    """Share of the units in an n-gram that occurred before (Rae et al. 2021, table A1), and what is repeated.

    Words, not characters, are counted, where blanks part words (ours).
    """
    grams = [tuple(units[i : i + n]) for i in range(len(units) - n + 1)]
    seen: Counter[tuple[str, ...]] = Counter()
    repeated = [False] * len(units)
    for i, gram in enumerate(grams):
        if seen[gram]:
            repeated[i : i + n] = [True] * n
        seen[gram] += 1
    if not any(repeated):
        return Repeated(0.0, 0.0, (), 0)
    gram, count = max(seen.items(), key=lambda item: item[1])
    longest, start = 0, 0
    for again, run in groupby(repeated):
        end = start + sum(1 for _ in run)
        own = grams[start : end - n + 1]
        if again and end - start > longest and len(set(own)) < len(own):
            longest = end - start
        start = end
    return Repeated(sum(repeated) / len(units), longest / len(units), gram, count)


def compression_ratio(text: str) -> float:
    """Bytes over bytes after zlib: Whisper's sign that decoding is stuck in a loop (Radford et al.

    2022, section 4.5). Characters beyond ASCII are numbered first, in one or two bytes (ours): UTF-8 spends three on
    each Chinese or Thai one, two of which zlib always saves.
    """
    if text.isascii():
        raw = text.encode()
    else:
        number = {letter: i for i, letter in enumerate(dict.fromkeys(text))}
        raw = np.array([number[letter] for letter in text], np.uint8 if len(number) <= 256 else np.uint16).tobytes()
    return len(raw) / len(zlib.compress(raw))


def check(turns: list[list[dict[str, str]]], ngram: int, repeated: float, ratio: float) -> Findings:
    """Rows with a looping answer.

    A row is flagged if an answer's share of repeated n-grams exceeds `repeated` AND its compression ratio exceeds
    `ratio`. Tables and code compress well but repeat few n-grams; lists are the other way round. The score is the
    lesser of both measures over their thresholds. It is 1 at most for long answers that come back to their subject: a
    loop repeats without a break, by a share of `repeated`, or is nearly all that is said (ours). Where no blanks part
    words, an n-gram has the characters of `ngram` words. Questions for songs and the like, or that repeat as much
    themselves, have no loops.
    """
    scores, evidence = [], []
    for row in turns:
        worst = (0.0, "")
        for question, answer in questions_and_answers(row):
            score, told = _loop(answer, ngram, repeated, ratio)
            if score > 1 and (_ASKED.search(question) or _loop(question, ngram, repeated, ratio)[0] > 1):
                score, told = 1.0, ""
            worst = max(worst, (score, told))
        scores.append(worst[0])
        evidence.append(worst[1] if worst[0] > 1 else "")
    return Findings.of(scores, [score > 1 for score in scores], evidence)


def _loop(text: str, ngram: int, repeated: float, ratio: float) -> tuple[float, str]:
    """How much a text is a loop, above 1 if it is one, and what it repeats."""
    pieces, size = units(text)
    share, stretch, gram, count = repeated_share(pieces, ngram * size)
    if not share:
        return 0.0, ""
    packed = compression_ratio(text)
    score, said = min(share / repeated, packed / ratio), (" " if size == 1 else "").join(gram)
    if stretch <= repeated and not (share > _NEARLY_ALL and packed > 2 * ratio):
        score = min(score, 1.0)
    return score, f"{shown(f'{said} ({count} times)')}; {100 * share:.0f}% repeated, compresses {packed:.1f} times"
