"""Encoded rows ahead of the model that takes them: lengths without pictures, rows made by processes, whole stretches.

A row is encoded once, however many snapshots it passes through. Who encodes is chosen by the machine, never by params,
and changes no byte: rows come in the order asked for.
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

AHEAD = 4  # rows that each loader has ready: 45 MB each for SmolVLM, 1.4 MB for LLaVA-1.5
_MOST = 8  # loaders of a process that nobody asked for

Batch = dict[str, torch.Tensor]


def n_loaders() -> int:
    """Processes that encode rows for this one: CADC_LOADERS, else, beside a GPU, its share of the cores; without one
    none, since the model takes all cores."""
    if (asked := whole_number("CADC_LOADERS", 0)) is not None:
        return asked
    if not launch.n_gpus():
        return 0
    return max(1, min(_MOST, len(os.sched_getaffinity(0)) // launch.n_workers() - 1))


@lru_cache(maxsize=2)
def _counting(processor: ProcessorMixin) -> Counting:
    return Counting(processor)


def token_lengths(rows: EncodedRows, which: np.ndarray) -> np.ndarray:
    """Tokens of rows `which` int [n], as they will be encoded: int64 [n].

    Rows that are kept are encoded for it; of the others tokens are counted, and no picture is decoded. Raises
    InputError as `encode` does.
    """
    counting, cut = _counting(rows.processor), rows.long_rows == "cut"

    def length(row: int) -> int:
        if row in rows or (rows.has_room and not n_loaders()):
            return len(rows[row]["input_ids"])
        return len(encode.encode(rows.record(row), counting, rows.max_length, cut, size_of)["input_ids"])

    return np.array([length(int(row)) for row in which], np.int64)


class _Encoding(torch.utils.data.Dataset):
    """What a loader makes: the rows of `order`, and of each what it was cut from, or the error that it raises."""

    def __init__(self, rows: EncodedRows, order: Sequence[int] | np.ndarray):
        self.rows, self.order = rows, order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> tuple[dict[str, Any] | Exception, int | None]:
        self.rows.keep = False  # in the loader's own memory, where nobody would find it
        row = int(self.order[index])
        try:
            return self.rows[row], self.rows.cut.get(row)
        except Exception as error:  # a loader would wrap it into its traceback
            return error, None


def ahead(rows: EncodedRows, order: Sequence[int] | np.ndarray) -> Iterator[dict[str, Any]]:
    """The encoded rows of `order`, in order, made ahead of the caller by `n_loaders()` processes.

    Without any, each is made when it is asked for. Raises what encoding a row raises.
    """
    if not n_loaders() or not len(order):
        for row in order:
            yield rows[int(row)]
        return
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # they warn of a fork otherwise
    loader = torch.utils.data.DataLoader(
        _Encoding(rows, order),
        batch_size=None,
        num_workers=min(n_loaders(), len(order)),
        prefetch_factor=AHEAD,
        collate_fn=_as_it_is,
        multiprocessing_context="fork",
        generator=torch.Generator(),  # else it draws from torch's own, which dropout draws from
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
    """Collated batches of rows `which[at]` for each `at` of `places`, as many at a time as fit into `KEPT_BYTES`.

    So each row is encoded once, and a stretch of batches can be gone through at one snapshot after the other. It is
    emptied before the next one is made: two would take twice the memory.
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
