"""Prepare encoded rows ahead of the model: token counts without images, loader processes, batches that fit into memory.

A row is encoded once for all snapshots. The machine decides which process encodes it, never params, and the result is
byte-identical: rows come in the requested order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from transformers import ProcessorMixin

from cadc.compute import launch
from cadc.config.environment import whole_number
from cadc.model import encode
from cadc.model.batches import collate
from cadc.model.counting import Counting, size_of
from cadc.model.encode import EncodedRows

AHEAD = 4  # rows prefetched per loader: 45 MB each for SmolVLM, 1.4 MB for LLaVA-1.5
_MOST = 8  # maximum loaders per process by default

Batch = dict[str, torch.Tensor]


def n_loaders() -> int:
    """Number of loader processes for this one: CADC_LOADERS, else with a GPU its share of the cores. None on a CPU,
    where the model uses all cores."""
    if (asked := whole_number("CADC_LOADERS", 0)) is not None:
        return asked
    if not launch.n_gpus():
        return 0
    return max(1, min(_MOST, len(os.sched_getaffinity(0)) // launch.n_workers() - 1))


@lru_cache(maxsize=2)
def _counting(processor: ProcessorMixin) -> Counting:
    return Counting(processor)


def token_lengths(rows: EncodedRows, which: np.ndarray) -> np.ndarray:
    """Token counts of rows `which` int [n], as they will be encoded: int64 [n].

    Rows that will be cached are encoded; for others, tokens are counted without decoding images. Raises InputError as
    `encode` does.
    """
    counting, cut = _counting(rows.processor), rows.long_rows == "cut"

    def length(row: int) -> int:
        if row in rows or (rows.has_room and not n_loaders()):
            return len(rows[row]["input_ids"])
        return len(encode.encode(rows.record(row), counting, rows.max_length, cut, size_of)["input_ids"])

    return np.array([length(int(row)) for row in which], np.int64)


class _Encoding(torch.utils.data.Dataset):
    """The data set of a loader: the rows of `order`, each with its length before cutting, or with an error."""

    def __init__(self, rows: EncodedRows, order: Sequence[int] | np.ndarray):
        self.rows, self.order = rows, order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> tuple[dict[str, Any] | Exception, int | None]:
        self.rows.keep = False  # a cache in the loader's memory would be useless
        row = int(self.order[index])
        try:
            return self.rows[row], self.rows.cut.get(row)
        except Exception as error:  # a loader would wrap it into a traceback
            return error, None


def ahead(rows: EncodedRows, order: Sequence[int] | np.ndarray) -> Iterator[dict[str, Any]]:
    """The encoded rows of `order`, in order, prepared ahead by `n_loaders()` processes.

    Without loaders, each row is encoded on request. Raises the errors of encoding.
    """
    if not n_loaders() or not len(order):
        for row in order:
            yield rows[int(row)]
        return
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # avoids tokenizers' warning about forks
    loader = torch.utils.data.DataLoader(
        _Encoding(rows, order),
        batch_size=None,
        num_workers=min(n_loaders(), len(order)),
        prefetch_factor=AHEAD,
        collate_fn=_as_it_is,
        multiprocessing_context="fork",
        generator=torch.Generator(),  # keeps the loader from drawing from torch's global generator, as dropout does
    )
    for row, (made, was) in zip(order, loader, strict=True):
        if isinstance(made, Exception):
            raise made
        if was is not None:
            rows.cut[int(row)] = was
        yield made


def _as_it_is(made):
    return made


def stretches(
    rows: EncodedRows, which: np.ndarray, places: Sequence[np.ndarray], pad_id: int
) -> Iterator[list[tuple[np.ndarray, Batch]]]:
    """Collated batches of rows `which[at]` for each `at` of `places`, in lists that fit into `KEPT_BYTES`.

    So each row is encoded once, and one list of batches serves all snapshots in turn. A list is emptied before the next
    one is made, to halve the memory.
    """
    stream = ahead(rows, [int(which[i]) for at in places for i in at])
    stretch, filled = [], 0
    for at in places:
        batch = collate([next(stream) for _ in at], pad_id)
        size = sum(tensor.nbytes for tensor in batch.values())
        if stretch and filled + size > encode.KEPT_BYTES:
            yield stretch
            stretch.clear()
            filled = 0
        stretch.append((at, batch))
        filled += size
    if stretch:
        yield stretch
