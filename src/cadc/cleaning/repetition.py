"""Repetition loops: an answer that says the same again and again, as greedy decoding does when it is stuck."""

from __future__ import annotations

import zlib
from collections import Counter

from cadc.cleaning.findings import Findings, questions_and_answers, shown


def repeated_share(words: list[str], n: int) -> tuple[float, str]:
    """Share of the words in an n-gram that occurred before (Rae et al. 2021, table A1), and the commonest n-gram (''
    without any).

    Words, not characters, are counted (ours).
    """
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    seen, repeated = Counter(), [False] * len(words)
    for i, gram in enumerate(grams):
        if seen[gram]:
            repeated[i : i + n] = [True] * n
        seen[gram] += 1
    if not any(repeated):
        return 0.0, ""
    gram, count = max(seen.items(), key=lambda item: item[1])
    return sum(repeated) / len(words), f"{' '.join(gram)} ({count} times)"


def compression_ratio(text: str) -> float:
    """Bytes over bytes after zlib: Whisper's sign that decoding is stuck in a loop (Radford et al.

    2022, section 4.5).
    """
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw))


def check(turns: list[list[dict[str, str]]], ngram: int, repeated: float, ratio: float) -> Findings:
    """Rows with a looping answer.

    A row is flagged if an answer's share of repeated n-grams exceeds `repeated` AND its compression ratio exceeds
    `ratio`. Tables and code compress well but repeat few n-grams; lists are the other way round. The score is the
    lesser of both measures over their thresholds.
    """
    scores, evidence = [], []
    for row in turns:
        worst = (0.0, "")
        for _, answer in questions_and_answers(row):
            share, gram = repeated_share(answer.split(), ngram)
            if share:
                packed = compression_ratio(answer)
                score = min(share / repeated, packed / ratio)
                worst = max(
                    worst, (score, f"{shown(gram)}; {100 * share:.0f}% repeated, compresses {packed:.1f} times")
                )
        scores.append(worst[0])
        evidence.append(worst[1] if worst[0] > 1 else "")
    return Findings.of(scores, [score > 1 for score in scores], evidence)
