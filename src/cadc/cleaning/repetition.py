"""Repetition loops: an answer that repeats itself, as stuck greedy decoding does."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from itertools import groupby
from typing import NamedTuple

import numpy as np

from cadc.cleaning.findings import Findings, questions_and_answers, shown
from cadc.cleaning.words import units

_NEARLY_ALL = 0.5  # share of units in a loop whose rounds differ slightly, in numbers for example
#: Requests for repetitive text.
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
    """Repetition in an answer."""

    share: float  # share of units in an n-gram that occurred before
    stretch: float  # share of units in the longest such run that contains an n-gram twice (so three times in all)
    gram: tuple[str, ...]  # the most frequent n-gram, () if there is none
    count: int  # type: ignore[assignment]  # its number of occurrences; tuple has a method of this name, unused here


def repeated_share(units: list[str], n: int) -> Repeated:
    """Share of units in an n-gram that occurred before (Rae et al. 2021, table A1), and what is repeated.

    Units are words in languages with blanks, not characters (ours).
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
    """Bytes before over bytes after zlib: Whisper's test for decoding loops (Radford et al. 2022, section 4.5).

    Non-ASCII characters are numbered first, in one or two bytes (ours): UTF-8 takes three for a Chinese or Thai one, of
    which zlib always saves two.
    """
    if text.isascii():
        raw = text.encode()
    else:
        number = {letter: i for i, letter in enumerate(dict.fromkeys(text))}
        raw = np.array([number[letter] for letter in text], np.uint8 if len(number) <= 256 else np.uint16).tobytes()
    return len(raw) / len(zlib.compress(raw))


def check(turns: list[list[dict[str, str]]], ngram: int, repeated: float, ratio: float) -> Findings:
    """Rows with a looping answer.

    A row is flagged if an answer's share of repeated n-grams exceeds `repeated` and its compression ratio exceeds
    `ratio`. Tables and code compress well but repeat few n-grams; lists are the other way round. The score is the
    smaller of both measures relative to their thresholds. It is at most 1 for long answers that only return to their
    subject: in a loop, one uninterrupted run has a share above `repeated`, or repetition is nearly everything (ours).
    In languages without blanks, an n-gram has the characters of `ngram` words. Questions that ask for songs and the
    like, or that are as repetitive themselves, exempt the answer.
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
    """(how much a text loops, above 1 if it is a loop; what it repeats)."""
    pieces, size = units(text)
    share, stretch, gram, count = repeated_share(pieces, ngram * size)
    if not share:
        return 0.0, ""
    packed = compression_ratio(text)
    score, said = min(share / repeated, packed / ratio), (" " if size == 1 else "").join(gram)
    if stretch <= repeated and not (share > _NEARLY_ALL and packed > 2 * ratio):
        score = min(score, 1.0)
    return score, f"{shown(f'{said} ({count} times)')}; {100 * share:.0f}% repeated, compresses {packed:.1f} times"
