"""Repetition loops: an answer that says the same again and again, as greedy decoding does when it is stuck."""

from __future__ import annotations

import zlib
from collections import Counter

import numpy as np

from cadc.cleaning.findings import Findings, questions_and_answers, shown
from cadc.cleaning.words import units


def repeated_share(units: list[str], n: int) -> tuple[float, tuple[str, ...], int]:
    """Share of the units in an n-gram that occurred before (Rae et al. 2021, table A1), the commonest n-gram (() without
    any) and how often it occurs.

    Words, not characters, are counted, where blanks part words (ours).
    """
    grams = [tuple(units[i : i + n]) for i in range(len(units) - n + 1)]
    seen, repeated = Counter(), [False] * len(units)
    for i, gram in enumerate(grams):
        if seen[gram]:
            repeated[i : i + n] = [True] * n
        seen[gram] += 1
    if not any(repeated):
        return 0.0, (), 0
    gram, count = max(seen.items(), key=lambda item: item[1])
    return sum(repeated) / len(units), gram, count


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
    lesser of both measures over their thresholds. Where no blanks part words, an n-gram has the characters of `ngram`
    words.
    """
    scores, evidence = [], []
    for row in turns:
        worst = (0.0, "")
        for _, answer in questions_and_answers(row):
            pieces, size = units(answer)
            share, gram, count = repeated_share(pieces, ngram * size)
            if share:
                packed = compression_ratio(answer)
                score, said = min(share / repeated, packed / ratio), (" " if size == 1 else "").join(gram)
                told = f"{shown(f'{said} ({count} times)')}; {100 * share:.0f}% repeated, compresses {packed:.1f} times"
                worst = max(worst, (score, told))
        scores.append(worst[0])
        evidence.append(worst[1] if worst[0] > 1 else "")
    return Findings.of(scores, [score > 1 for score in scores], evidence)
