"""A pool's table in the order of its row ids: what follows is then the same whatever order its file had.

k-means begins with rows by number, and draws fall on numbers: without this a method chose other rows of a pool that
came in another order. A pool may be larger than memory: rows that do not lie in order yet are first dealt out to files
of neighbours.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cadc.artifacts import whole
from cadc.data.reader import POOL_FEATURES

GROUP_ROWS, GROUP_BYTES = 1 << 15, 1 << 27  # a row group ends with the row that reaches either
BUCKET_GROUPS = 4  # row groups that are sorted at a time
_MOST_BUCKETS = 256  # files open at a time; of a pool beyond 128 GB more groups are sorted at a time
_BATCH = 1024
_SCHEMA = POOL_FEATURES.arrow_schema  # what parquet gives back has other names inside lists


def write_in_order(source: Path, out: Path, scratch: Path, left: np.ndarray | None = None) -> None:
    """Write the rows of a pool's table that are left to another, in the order of their ids' text.

    source, out: parquet files, which may be the same. left bool [n_rows]; if None, all are left. scratch: a folder for
    parts, which is gone at the end. The order of the source's rows, and how it is cut, change no byte of `out`. Memory:
    about 1 GB beside ids, and one row's own.
    """
    left = np.ones(pq.read_metadata(source).num_rows, bool) if left is None else left
    with (
        pq.ParquetFile(source) as file,
        whole(out) as part,
        pq.ParquetWriter(part, _SCHEMA.with_metadata(file.schema_arrow.metadata)) as writer,
    ):
        ids, sizes = [], []
        for rows in _batches(file, left):
            ids.append(rows["id"].combine_chunks())
            sizes.append(sum(_n_bytes(column.combine_chunks()) for column in rows.columns))
        names = pa.chunked_array(ids, pa.string())
        order = np.asarray(pc.sort_indices(names)) if len(names) else np.empty(0, np.int64)
        bounds = _bounds(np.concatenate([*sizes, np.empty(0, np.int64)])[order])
        in_order = bool((order == np.arange(len(order))).all())
        tables = _batches(file, left) if in_order else _sorted(file, left, order, bounds, scratch)
        for group in _cut(tables, np.diff(bounds)):
            writer.write_table(group.cast(writer.schema))


def _batches(file: pq.ParquetFile, left: np.ndarray) -> Iterator[pa.Table]:
    """The rows that are left, some at a time, in the file's order."""
    start = 0
    for batch in file.iter_batches(_BATCH):
        stop = start + len(batch)
        yield pa.Table.from_batches([batch]).filter(pa.array(left[start:stop]))
        start = stop


def _n_bytes(array: pa.Array) -> np.ndarray:
    """How many bytes each value says: int64 [n], of texts and bytes, and of lists and structs of them."""
    if pa.types.is_list(array.type):
        ends = np.cumsum(pc.list_value_length(array).fill_null(0).to_numpy())
        inner = np.concatenate([[0], np.cumsum(_n_bytes(array.flatten()))])
        return np.diff(inner[np.concatenate([[0], ends])])
    if pa.types.is_struct(array.type):
        return np.sum([_n_bytes(child) for child in array.flatten()], axis=0)
    return pc.binary_length(array).fill_null(0).to_numpy().astype(np.int64)


def _bounds(sizes: np.ndarray) -> np.ndarray:
    """Where row groups begin, and where the last one ends: int64 [n_groups + 1]. sizes int64 [n_rows], in bytes."""
    sums, bounds = np.concatenate([[0], np.cumsum(sizes)]), [0]
    while (start := bounds[-1]) < len(sizes):
        full = int(np.searchsorted(sums, sums[start] + GROUP_BYTES))
        bounds.append(min(full, start + GROUP_ROWS, len(sizes)))
    return np.array(bounds, np.int64)


def _sorted(
    file: pq.ParquetFile, left: np.ndarray, order: np.ndarray, bounds: np.ndarray, scratch: Path
) -> Iterator[pa.Table]:
    """The rows that are left in `order`, some row groups at a time: each stretch of neighbours gets a file first."""
    n_groups = max(BUCKET_GROUPS, -(-len(bounds) // _MOST_BUCKETS))
    starts = bounds[:-1:n_groups]
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    bucket = np.searchsorted(starts, rank, side="right") - 1
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    paths, start = [scratch / f"{k:03d}.arrow" for k in range(len(starts))], 0
    writers = [pa.ipc.new_stream(path, file.schema_arrow) for path in paths]
    try:
        for rows in _batches(file, left):
            own = bucket[start : start + len(rows)]
            for k in np.unique(own):
                writers[k].write_table(rows.filter(pa.array(own == k)))
            start += len(rows)
    finally:
        for writer in writers:
            writer.close()
    for k, path in enumerate(paths):
        with pa.OSFile(str(path)) as lying, pa.ipc.open_stream(lying) as reader:
            rows = reader.read_all().combine_chunks()
        path.unlink()
        yield rows.take(np.argsort(rank[bucket == k]))
    shutil.rmtree(scratch)


def _cut(tables: Iterator[pa.Table], lengths: np.ndarray) -> Iterator[pa.Table]:
    """The same rows as tables of these lengths, each in one piece, as what is written depends on the pieces."""
    waiting, held = [], 0
    for length in lengths:
        while held < length:
            waiting.append(next(tables))
            held += len(waiting[-1])
        rows = pa.concat_tables(waiting)
        yield rows.slice(0, length).combine_chunks()
        waiting, held = [rows.slice(length)], held - length
    for _ in tables:  # it may have something to put away
        pass
