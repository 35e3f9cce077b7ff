"""Plant known faults in your own pool (`pool.planted`, ours) to measure whether checks and methods find them.

A known share of rows gets another row's first answer or another row's images. Labels record which rows were changed;
only reports read them. The generated world has faults of its own (`world.faults`).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from cadc.config.data import Planted
from cadc.config.errors import InputError
from cadc.data.lineage import answers_of

WRONG, MISMATCH, CLEAN = "wrong", "mismatch", "clean"


def _donors(
    rows: np.ndarray, spare: np.ndarray, value: Callable[[int], Any], kind: Callable[[int], Any], ids: pa.ChunkedArray
) -> np.ndarray:
    """A donor for each of `rows` (int64 [k], random order): the next row of the same kind with another value.

    If none of `rows` can be the donor, one of `spare` is. Raises InputError, which names the row by `ids`, if it has no
    donor at all.
    """
    taken = []
    for i, row in enumerate(rows):
        others = chain(rows[i + 1 :], rows[:i], spare)
        donor = next((other for other in others if kind(other) == kind(row) and value(other) != value(row)), None)
        if donor is None:
            raise InputError(
                f"pool.planted: no row can give row id {ids[int(row)]} another answer, or as many other images; plant "
                "fewer faults"
            )
        taken.append(donor)
    return np.array(taken, np.int64)


def _with_answer(turns: list[dict[str, str]], answer: str) -> list[dict[str, str]]:
    """A row's turns with its first answer replaced."""
    first = next(i for i, turn in enumerate(turns) if turn["role"] == "assistant")
    return [turn | {"text": answer} if i == first else turn for i, turn in enumerate(turns)]


def plant(pool: pa.Table, settings: Planted) -> tuple[pa.Table, list[dict[str, str]]]:
    """(pool table with planted faults, one label per row).

    Shares are of all rows, to within one row; no row gets two faults. Raises InputError if too few rows have what the
    fault needs: an answer, or an image and another row with as many.
    """
    rng, n = np.random.default_rng(settings.seed), pool.num_rows
    order = rng.permutation(n)
    n_answers, n_pictures = round(settings.answers * n), round(settings.pictures * n)
    ids, turns, images = pool["id"], pool["turns"], pool["images"]
    pictured = order[pa.compute.list_value_length(images).to_numpy()[order] > 0]
    swapped = pictured[:n_pictures]
    if len(swapped) < n_pictures:
        raise InputError(f"pool.planted.pictures: {n_pictures} rows are needed but only {len(swapped)} have an image")
    wrong = order[~np.isin(order, swapped)][:n_answers]

    def first(row: int) -> str:
        return answers_of(turns[int(row)].as_py())[0]

    def seen(row: int) -> list[dict]:
        return images[int(row)].as_py()

    givers = _donors(wrong, order, first, lambda _: None, ids)
    new = [_with_answer(turns[int(row)].as_py(), first(own)) for row, own in zip(wrong, givers, strict=True)]
    at = np.arange(n)
    at[wrong] = n + np.arange(len(new))
    said = pa.chunked_array([*turns.chunks, pa.array(new, turns.type)]).take(at)
    at = np.arange(n)
    at[swapped] = _donors(swapped, pictured, seen, lambda row: len(seen(row)), ids)
    for name, column in (("turns", said), ("images", images.take(at))):
        pool = pool.set_column(pool.column_names.index(name), name, column)

    noise = np.full(n, CLEAN, dtype=object)
    noise[wrong], noise[swapped] = WRONG, MISMATCH
    empty = dict.fromkeys(("subtask", "meta_task", "form", "duplicate_of"), "")
    names = ids.to_pylist()
    return pool.combine_chunks(), [{"id": name, "noise": own, **empty} for name, own in zip(names, noise, strict=True)]
