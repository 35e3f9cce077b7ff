"""Batches of rows with images and batches of text-only rows, each of similar length.

The order is LLaVA's `group_by_modality_length` (llava/train/llava_trainer.py): the same generator state gives the same
order. It replaces the order of a selection.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from cadc.config.params import Optimizer

GROUPS = 8  # id of a separate random stream
_SLICE = 10_000  # rows converted to Python objects at a time


def word_counts(pool: pa.Table, which: np.ndarray) -> np.ndarray:
    """Number of words in the turns of rows `which` int [n], image tokens included, negative for rows without images:
    int64 [n].

    This is LLaVA's own measure of length; it does not need encoding. A row without words counts as one word.
    """
    counts = []
    for start in range(0, len(which), _SLICE):
        part = pool.select(["turns", "images"]).take(which[start : start + _SLICE])
        words = [sum(len(turn["text"].split()) for turn in turns) for turns in part["turns"].to_pylist()]
        has_image = pc.list_value_length(part["images"]).to_numpy() > 0
        counts.append(np.where(has_image, 1, -1) * np.maximum(words, 1))
    return np.concatenate([*counts, np.empty(0, np.int64)]).astype(np.int64)


def grouped(lengths: np.ndarray, batch_size: int, n_parts: int, generator: torch.Generator) -> np.ndarray:
    """An order of rows in which each batch has one modality and similar lengths: int64 [n], a permutation.

    lengths int [n], non-zero, negative for rows without images. The last, incomplete batches of both modalities are
    merged at the end, in row order. Within a batch rows are split into `n_parts` parts of balanced length, longest
    first (LLaVA: a part is what one GPU processes at a time).
    """
    kinds = [np.flatnonzero(lengths > 0), np.flatnonzero(lengths < 0)]
    if not all(len(kind) for kind in kinds):
        return _by_length(np.abs(lengths), batch_size, n_parts, generator)
    whole, rest = [], []
    for kind in kinds:
        order = kind[_by_length(np.abs(lengths[kind]), batch_size, n_parts, generator)]
        batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
        whole += batches[:-1]
        rest.append(batches[-1])
    drawn = torch.randperm(len(whole), generator=generator).tolist()
    return np.concatenate([*(whole[k] for k in drawn), np.sort(np.concatenate(rest))])


def _by_length(lengths: np.ndarray, batch_size: int, n_parts: int, generator: torch.Generator) -> np.ndarray:
    """A random order, sorted and split into parts batch by batch: int64 [n]."""
    order = torch.randperm(len(lengths), generator=generator).numpy()
    dealt = [np.empty(0, np.int64)]
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        dealt += _parts(batch[np.argsort(-lengths[batch], kind="stable")], lengths, n_parts)
    return np.concatenate(dealt)


def _parts(rows: np.ndarray, lengths: np.ndarray, n_parts: int) -> list[np.ndarray]:
    """Split rows (longest first) into parts of equal size and balanced words; round-robin if sizes can't be equal."""
    if len(rows) % n_parts:
        return [rows[part::n_parts] for part in range(n_parts)]
    parts: list[list[int]] = [[] for _ in range(n_parts)]
    filled = np.zeros(n_parts)
    for row in rows.tolist():
        shortest = int(filled.argmin())
        parts[shortest].append(row)
        filled[shortest] = filled[shortest] + lengths[row] if len(parts[shortest]) < len(rows) // n_parts else np.inf
    return [np.array(part, np.int64) for part in parts]


def grouped_schedule(pool: pa.Table, rows: np.ndarray, n_examples: int, settings: Optimizer, seed: int) -> np.ndarray:
    """The rows to train on, one per example, in grouped batches of `settings.batch_size`: int64 [n_examples].

    rows int64 [n]; every pass has its own order. A part is a micro-batch if these have equal sizes.
    """
    lengths, micro = word_counts(pool, rows), settings.micro_batch or settings.batch_size
    n_parts = settings.batch_size // micro if settings.batch_size % micro == 0 else 1
    keys = np.random.SeedSequence([seed, GROUPS]).generate_state(1, np.uint64)
    generator = torch.Generator().manual_seed(int(keys[0]))
    passes = [
        rows[grouped(lengths, settings.batch_size, n_parts, generator)] for _ in range(-(-n_examples // len(rows)))
    ]
    return np.concatenate(passes)[:n_examples]
