"""MinHash signatures of many texts at once (Broder 1997), vectorised with numpy; datasketch loops over texts in Python.

Both estimate the same Jaccard similarity; benchmarks/clean_scale.py compares them.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

from cadc.cleaning.near import mixed

_WORD = re.compile(r"\w+|[^\w\s]")
CHUNK = 1 << 22  # shingles hashed at a time, to bound memory


class Words:
    """Maps words to numbers, hashing each distinct word once."""

    def __init__(self):
        self._hashes: dict[str, int] = {}

    def numbers(self, text: str) -> list[int]:
        known, out = self._hashes, []
        for word in _WORD.findall(text.lower()):
            number = known.get(word)
            if number is None:
                number = known[word] = int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little")
            out.append(number)
        return out


def shingles(texts: Iterable[str], n: int, words: Words) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of all word n-grams, uint64 [n_shingles], and the start of each text, int64 [n].

    Both ends of a text are padded, so that even a single word has n-grams.
    """
    pad = [0] * (n - 1)
    flat, starts = array("Q", pad), array("q")
    for text in texts:
        starts.append(len(flat) - len(pad))
        flat.extend(words.numbers(text) or [0])
        flat.extend(pad)
    numbers = np.frombuffer(flat, np.uint64)
    size = max(0, len(numbers) - n + 1)
    out = np.zeros(size, np.uint64)
    for k in range(n):
        out = mixed(out * np.uint64(0x9E3779B97F4A7C15) + numbers[k : k + size])
    return out, np.frombuffer(starts, np.int64)


def signatures(texts: list[str], n: int, permutations: int, seed: int) -> np.ndarray:
    """MinHash signatures: uint32 [n_texts, permutations].

    The share of equal entries estimates the Jaccard similarity of two texts' word n-grams. Permutations are
    multiply-shift hashes (Dietzfelbinger et al. 1997), drawn with `seed`.
    """
    rng, words = np.random.default_rng(seed), Words()
    factor, offset = (rng.integers(0, 2**64, permutations, np.uint64) | np.uint64(1) for _ in range(2))
    out = np.empty((len(texts), permutations), np.uint32)
    begin = 0
    while begin < len(texts):
        stop, size = begin, 0
        while stop < len(texts) and (
            stop == begin or size + len(texts[stop]) < CHUNK
        ):  # a text has fewer shingles than letters
            size += len(texts[stop])
            stop += 1
        hashes, starts = shingles(texts[begin:stop], n, words)
        for k in range(permutations):
            out[begin:stop, k] = np.minimum.reduceat((hashes * factor[k] + offset[k]) >> np.uint64(32), starts)
        begin = stop
    return out


def similarity(signature: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Estimated Jaccard similarity of the texts i and j: float32 [len(i)]."""
    return (signature[i] == signature[j]).mean(1, dtype=np.float32)
