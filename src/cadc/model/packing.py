"""Which rows of a batch share a sequence."""

from __future__ import annotations

import math

_STRETCH = 1.5  # the longest sequence, in lengths of the longest row: attention over a sequence is computed whole


def shared_sequences(lengths: list[int]) -> list[list[int]]:
    """Rows by sequence, so that few positions are padded (ours).

    For every number of sequences, rows are placed longest first, each into the shortest sequence so far. The number
    that needs the fewest positions is taken. No sequence is longer than one and a half times the longest row.
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
