"""Reading and checking instruction data in LLaVA's format: one reader for the mini world and for your own data.

A row has an `id`, optionally an `image` (a path inside the image folder, or a list of them) and `conversations`: turns
`{"from": "human" | "gpt", "value": text}`, alternating, human first. The human turns have as many `<image>` as there
are images. Every fault is reported with the file, the row's id and what to do about it.

Rows are read, checked and written a chunk at a time, by CADC_WORKERS processes: a pool may be larger than memory, and
the number of processes changes no byte.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from cadc.artifacts import whole
from cadc.compute import console, lifeline
from cadc.compute.launch import n_workers
from cadc.data.checks import Checker
from cadc.data.fields import OWN, check_fields, source_of, unread_of_row, unread_of_turns
from cadc.data.ids import with_ids
from cadc.data.llava_rows import BEGUN, said_of
from cadc.data.reasons import PoolError, fail
from cadc.data.records import read_records
from cadc.data.turns import OutOfTurn, Unlearnt, begins_with_gpt

POOL_FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "source": datasets.Value("string"),
        "images": datasets.List(datasets.Image()),
        "turns": datasets.List({"role": datasets.Value("string"), "text": datasets.Value("string")}),
    }
)
_SCHEMA = POOL_FEATURES.arrow_schema
_CHUNK = 256  # rows a process is given at a time
_GROUP_ROWS, _GROUP_BYTES = 1 << 15, 1 << 27  # a row group of the table ends with the chunk that reaches either


@dataclass(frozen=True)
class Skipped:
    """A row left out under `pool.on_bad_row: skip` or `llava`."""

    id: str
    reason: str


class Reordered(Skipped):
    """A row that LLaVA's own code takes in a way of its own, as `pool.on_bad_row: llava` does."""


class Masked(Reordered):
    """A row of which LLaVA's own code learns nothing, left out under `pool.on_bad_row: llava`."""


class _Unread:
    """Fields that are not read, of rows and of their turns, and how many rows have them."""

    def __init__(self):
        self.rows: Counter[str] = Counter()
        self.turns: Counter[str] = Counter()

    def report(self) -> None:
        for what, counts in (("fields", self.rows), ("fields of turns", self.turns)):
            if counts:
                named = ", ".join(f"{name} ({count})" for name, count in itertools.islice(counts.items(), 20))
                named = named.encode(errors="backslashreplace").decode()  # JSON's escapes may name half a character
                console.line(f"pool: {what} that are not read, and the rows that have them: {named}")


def _named(
    records: Iterator, repeated_ids: str, unread: _Unread, begun: list[str] | None = None
) -> Iterator[tuple[str, dict | Skipped]]:
    """Each record with its id, cut down to the fields of a row; Skipped without an id of its own, or where a field
    means more. How often a field that says nothing here is there is added to `unread`.

    With `number` a repeated id becomes ID#2, ID#3... With `begun` a first turn by gpt is left out, and the row's id
    added to it.
    """
    for name, record, fault in with_ids(records, repeated_ids):
        try:
            if fault:
                fail(fault)
            check_fields(record)
            row = {field: record[field] for field in OWN if field in record} | {"id": name, "source": source_of(record)}
            unread.rows.update(unread_of_row(record))
            unread.turns.update(unread_of_turns(record))
            if begun is not None and begins_with_gpt(record.get("conversations")):
                begun.append(name)
                row["conversations"] = record["conversations"][1:]
            yield name, row
        except (ValueError, RecursionError) as error:
            yield name, Skipped(name, str(error))


#: The rows of a chunk, those that are bad, and what was done to which of the others.
_Chunk = tuple[pa.Table, list[Skipped], list[tuple[str, str]]]


def _check(checker: Checker, chunk: list[tuple[str, dict | Skipped]]) -> _Chunk:
    rows, bad = [], []
    checker.notes.clear()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # Pillow's, of large pictures and odd tags: max_image_pixels says what is too large
        for name, record in chunk:
            try:
                if isinstance(record, Skipped):
                    bad.append(record)
                else:
                    rows.append(checker.row(record))
            except OutOfTurn as error:
                bad.append((Masked if isinstance(error, Unlearnt) else Reordered)(name, str(error)))
            except (ValueError, RecursionError) as error:
                bad.append(Skipped(name, str(error)))
    return pa.Table.from_pylist(rows, schema=_SCHEMA), bad, list(checker.notes)


_checker: Checker | None = None  # of a worker process


def _start(make: Callable[[], Checker], parent: int) -> None:
    global _checker
    lifeline.end_with_parent(parent)
    console.mute()
    _checker = make()


def _check_here(chunk) -> _Chunk:
    return _check(_checker, chunk)


def _checked(chunks: Iterator[list], make: Callable[[], Checker]) -> Iterator[_Chunk]:
    """Every chunk checked, in order, with no more of them under way than keep the workers busy."""
    first = list(itertools.islice(chunks, 2))
    workers = n_workers() if len(first) > 1 else 1
    if workers == 1:
        checker = make()
        yield from (_check(checker, chunk) for chunk in itertools.chain(first, chunks))
        return
    # `fork` saves every worker its imports
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), _start, (make, os.getpid())) as pool:
        waiting: deque[tuple[list, Future]] = deque()
        try:
            for chunk in itertools.chain(first, chunks):
                waiting.append((chunk, pool.submit(_check_here, chunk)))
                if len(waiting) > 2 * workers:
                    yield _result(*waiting.popleft(), make)
            while waiting:
                yield _result(*waiting.popleft(), make)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _result(chunk: list, future: Future, make: Callable[[], Checker]) -> _Chunk:
    try:
        return future.result()
    except RecursionError:  # nested too deeply to be handed to another process
        return _check(make(), chunk)


def _each_chunk(
    take: Callable[[pa.Table], None],
    annotations: Path,
    folder: Path | None,
    on_bad_row: str,
    repeated_ids: str = "fail",
    **rules,
) -> list[Skipped]:
    """Give `take` the rows, chunk by chunk; the rows that were skipped. Raises as `read_pool` says."""
    if folder is not None and not folder.is_dir():
        raise PoolError(f"{folder}: no such folder; set data.images to the folder that image paths are relative to")
    llava = on_bad_row == "llava"
    begun: list[str] | None = [] if llava else None
    unread = _Unread()
    n_rows, bad, fatal, notes = 0, [], [], []
    records = _named(read_records(annotations), repeated_ids, unread, begun)
    chunks = iter(lambda: list(itertools.islice(records, _CHUNK)), [])
    try:
        for rows, skipped, done in console.track(
            _checked(chunks, partial(Checker, folder, llava=llava, **rules)), f"chunks of {_CHUNK} rows"
        ):
            bad, notes = bad + skipped, notes + done
            fatal += [row for row in skipped if on_bad_row == "fail" or (llava and not isinstance(row, Masked))]
            n_rows += len(rows)
            if not fatal:  # then rows are only counted
                take(rows)
    except BrokenProcessPool:
        raise PoolError(
            f"{annotations}: a process that checks rows was killed after row {n_rows}, out of memory or by an image; "
            "try CADC_WORKERS=1"
        ) from None
    if fatal:
        more = f" ({len(fatal) - 1} more bad rows)" if len(fatal) > 1 else ""
        as_llava = ", or pool.on_bad_row: llava to take them as LLaVA's code does"
        raise PoolError(
            f"{annotations}, row id {fatal[0].id}: {fatal[0].reason}{more}; or set pool.on_bad_row: skip to leave "
            f"such rows out and count them{as_llava if not llava and isinstance(fatal[0], Reordered) else ''}"
        )
    unread.report()
    for line in said_of([*((BEGUN, name) for name in begun or ()), *notes]):
        console.line(line)
    if not n_rows:
        raise PoolError(f"{annotations}: no usable row; {bad[0].reason if bad else 'the list is empty'}")
    return bad


class _RowGroups:
    """A parquet file that grows by row groups; a group is written once it is full."""

    def __init__(self, part: Path):
        self.writer, self.waiting = pq.ParquetWriter(part, _SCHEMA), []
        self.n_rows = 0

    def add(self, rows: pa.Table) -> None:
        self.waiting.append(rows)
        if sum(map(len, self.waiting)) >= _GROUP_ROWS or sum(table.nbytes for table in self.waiting) >= _GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        if self.waiting:
            group = pa.concat_tables(self.waiting).combine_chunks()
            self.writer.write_table(group)
            self.n_rows, self.waiting = self.n_rows + len(group), []


def copy_pool(
    path: Path, annotations: Path, folder: Path | None, on_bad_row: str = "fail", **rules
) -> tuple[int, list[Skipped]]:
    """Read and check a pool of any size as `read_pool` does, and write it to `path`, a parquet file, as it goes.

    Returns the number of rows written and the rows that were skipped. Nothing is left at `path` if it raises.
    """
    with whole(path) as part:
        groups = _RowGroups(part)
        with groups.writer:
            skipped = _each_chunk(groups.add, annotations, folder, on_bad_row, **rules)
            groups.flush()
    return groups.n_rows, skipped


def read_pool(
    annotations: Path, folder: Path | None, on_bad_row: str = "fail", **rules
) -> tuple[pa.Table, list[Skipped]]:
    """Read and check a LLaVA-format data set that fits into memory: a JSON list, .jsonl, parquet or a data set saved on
    disk.

    Images lie in `folder`, None where each is in its record. `rules` are those of `Checker`, min_side, embed_images,
    max_pixels, max_ratio, and repeated_ids: fail | number (a repeated id gets #2, #3...). Returns a table with columns
    id, source, images (list of {bytes, path}) and turns (list of {role, text}), in file order, and the rows that were
    skipped.
    `on_bad_row`: `skip` leaves bad rows out. `llava` does what LLaVA's own code does with turns out of order, empty
    ones, and marks that are not as many as pictures: see `llava_rows`. Rows of which it learns nothing are left out.
    Raises PoolError on an unreadable file, an empty result or on the first row that is bad otherwise (and says how many
    more there are).
    """
    chunks: list[pa.Table] = []
    skipped = _each_chunk(chunks.append, annotations, folder, on_bad_row, **rules)
    return pa.concat_tables(chunks).combine_chunks(), skipped
