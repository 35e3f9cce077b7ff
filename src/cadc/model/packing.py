"""Decide which rows of a batch share a sequence."""

from __future__ import annotations

import math

_STRETCH = 1.5  # longest sequence, relative to the longest row: attention is computed over whole sequences


def shared_sequences(lengths: list[int]) -> list[list[int]]:
    """Rows grouped by sequence, with little padding (ours).

    For every number of sequences, rows are placed longest first, each into the shortest sequence so far. The number
    with the fewest positions wins. No sequence is longer than 1.5 times the longest row.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    longest = lengths[order[0]]
    best, fewest = [[i] for i in order], len(lengths) * longest
    for n in range(math.ceil(sum(lengths) / (_STRETCH * longest)), len(lengths)):
        sequences: list[list[int]] = [[] for _ in range(n)]
        filled = [0] * n
        for i in order:
            k = filled.index(min(filled))
            sequences[k].append(i)
            filled[k] += lengths[i]
        if max(filled) <= _STRETCH * longest and n * max(filled) < fewest:
            best, fewest = sequences, n * max(filled)
    return best
