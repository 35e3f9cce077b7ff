"""Read and check instruction data in LLaVA's format, for the mini world and for your own data alike.

A row has an `id`, optionally an `image` (a path inside the image folder, or a list of them) and `conversations`: turns
`{"from": "human" | "gpt", "value": text}`, alternating, human first. The human turns hold one `<image>` per image.
Every fault is reported with the file, the row's id and the fix.

Rows are read, checked and written in chunks by CADC_WORKERS processes, so a pool may be larger than memory. The output
is byte-identical for any number of processes.
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
_CHUNK = 256  # rows per task of a worker process
_GROUP_ROWS, _GROUP_BYTES = 1 << 15, 1 << 27  # a row group ends with the chunk that reaches either limit


@dataclass(frozen=True)
class Skipped:
    """A row dropped under `pool.on_bad_row: skip` or `llava`."""

    id: str
    reason: str


class Reordered(Skipped):
    """A bad row that LLaVA's own code, and therefore `pool.on_bad_row: llava`, accepts."""


class Masked(Reordered):
    """A row that LLaVA's own code masks completely; dropped under `pool.on_bad_row: llava`."""


class _Unread:
    """Counts of rows with ignored fields, for fields of rows and of turns."""

    def __init__(self):
        self.rows: Counter[str] = Counter()
        self.turns: Counter[str] = Counter()

    def report(self) -> None:
        for what, counts in (("fields", self.rows), ("fields of turns", self.turns)):
            if counts:
                named = ", ".join(f"{name} ({count})" for name, count in itertools.islice(counts.items(), 20))
                named = named.encode(errors="backslashreplace").decode()  # names may hold half a surrogate pair
                console.line(f"pool: ignored {what} (number of rows): {named}")


def _named(
    records: Iterator, repeated_ids: str, unread: _Unread, begun: list[str] | None = None
) -> Iterator[tuple[str, dict | Skipped]]:
    """Each record with its id, reduced to the fields of a row; Skipped if it has no unique id, or a field that changes
    its meaning. Ignored fields are counted in `unread`.

    With `number`, a repeated id becomes ID#2, ID#3... With `begun`, a first gpt turn is dropped and the row's id is
    appended to `begun`.
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


#: (good rows of a chunk, bad rows, changes made to good rows as (change, row id)).
_Chunk = tuple[pa.Table, list[Skipped], list[tuple[str, str]]]


def _check(checker: Checker, chunk: list[tuple[str, dict | Skipped]]) -> _Chunk:
    rows, bad = [], []
    checker.notes.clear()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # Pillow warns of large images and odd tags; max_image_pixels decides what is too large
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


_checker: Checker | None = None  # of this worker process


def _start(make: Callable[[], Checker], parent: int) -> None:
    global _checker
    lifeline.end_with_parent(parent)
    console.mute()
    _checker = make()


def _check_here(chunk) -> _Chunk:
    return _check(_checker, chunk)


def _checked(chunks: Iterator[list], make: Callable[[], Checker]) -> Iterator[_Chunk]:
    """Check every chunk and yield results in order, with a bounded number of chunks in flight."""
    first = list(itertools.islice(chunks, 2))
    workers = n_workers() if len(first) > 1 else 1
    if workers == 1:
        checker = make()
        yield from (_check(checker, chunk) for chunk in itertools.chain(first, chunks))
        return
    # `fork` spares each worker its imports
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
    except RecursionError:  # nested too deeply to be pickled
        return _check(make(), chunk)


def _each_chunk(
    take: Callable[[pa.Table], None],
    annotations: Path,
    folder: Path | None,
    on_bad_row: str,
    repeated_ids: str = "fail",
    **rules,
) -> list[Skipped]:
    """Pass the rows to `take` chunk by chunk; returns the skipped rows. Raises as `read_pool` does."""
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
            if not fatal:  # after a fatal row, rows are only counted
                take(rows)
    except BrokenProcessPool:
        raise PoolError(
            f"{annotations}: a worker process was killed after row {n_rows}, by lack of memory or by an image; "
            "try CADC_WORKERS=1"
        ) from None
    if fatal:
        more = f" ({len(fatal) - 1} more bad rows)" if len(fatal) > 1 else ""
        as_llava = ", or pool.on_bad_row: llava to treat them as LLaVA's code does"
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
    """A parquet file written one row group at a time."""

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
    """Read and check a pool of any size as `read_pool` does, writing it to the parquet file `path` as it goes.

    Returns the number of rows written and the skipped rows. If it raises, nothing is left at `path`.
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

    Images lie in `folder`; None if every record embeds its images. `rules` are those of `Checker` (min_side,
    embed_images, max_pixels, max_ratio) and repeated_ids: fail | number (a repeated id gets #2, #3...). Returns a table
    in file order with columns id, source, images (list of {bytes, path}) and turns (list of {role, text}), and the
    skipped rows.
    `on_bad_row`: `skip` drops bad rows. `llava` treats turns out of order, empty turns, and `<image>` tokens that don't
    match the images as LLaVA's own code does (see `llava_rows`), and drops rows that it would mask completely.
    Raises PoolError for an unreadable file, an empty result, or the first row that is bad otherwise (with the number of
    further ones).
    """
    chunks: list[pa.Table] = []
    skipped = _each_chunk(chunks.append, annotations, folder, on_bad_row, **rules)
    return pa.concat_tables(chunks).combine_chunks(), skipped
