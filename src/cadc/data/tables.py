"""Read rows of parquet files that users supply, with clear errors for unreadable files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cadc.data.file_kinds import other_file
from cadc.data.json_rows import LONGEST_ROW
from cadc.data.reasons import PoolError

_BATCH = 256  # rows per read; small, because rows hold images
_UNPACKED, _RATIO = 1 << 26, 200  # bytes of a column, and how many times as many as in the file, that are no text's
_VALUES = 1 << 26  # of a column in a row group; of a list all count
_BATCH_BYTES = 1 << 28
_LARGEST_ROW = 1 << 28  # bytes of a row with its pictures (ours)


def unreadable(path: Path, error: Exception) -> PoolError:
    """A PoolError that explains an error of Arrow or datasets at a broken file."""
    if path.is_file():
        with path.open("rb") as file:
            if other := other_file(file.read(512), b"PAR1"):
                return PoolError(f"{path}: {other}")
    said = " ".join(str(error).split())[:200]
    return PoolError(f"{path}: can't be read as a dataset ({type(error).__name__}: {said}); fetch or write it again")


def check_columns(path: Path, columns: list[str]) -> None:
    """Raise PoolError if a column name occurs twice, because it is ambiguous which one is meant."""
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise PoolError(f"{path}: column {twice[0]} occurs twice; keep one of the two")


def batches_of(path: Path, file: pq.ParquetFile, most: int) -> Iterator[pa.RecordBatch]:
    """The rows of a parquet file, up to `most` at a time.

    Raises PoolError at what takes gigabytes once it is unpacked, before that where the file's own words say so: a
    column that is much more than there is of it in the file, lists of millions, a row that is as long.
    """
    largest = 1
    if not survives(lambda: list(_chunks(file))):
        raise PoolError(f"{path}: what it says of its columns contradicts itself; fetch or write it again")
    for group, chunks in _chunks(file):
        for chunk in chunks:
            held, packed = chunk.total_uncompressed_size, chunk.total_compressed_size
            if held > _UNPACKED and held > min(_RATIO * packed, _LARGEST_ROW * group.num_rows):
                raise _bomb(path, f"the {packed} bytes of column {chunk.path_in_schema} unpack to {held}")
            if chunk.num_values > _VALUES:
                raise _bomb(path, f"column {chunk.path_in_schema} has {chunk.num_values} values in a row group")
            if chunk.has_dictionary_page:  # each row of a batch may be the longest value there is
                largest = max(largest, held)
    for batch in file.iter_batches(max(1, min(most, _BATCH_BYTES // largest))):
        check_rows(path, batch)
        yield batch


def _chunks(file: pq.ParquetFile) -> Iterator[tuple[pq.RowGroupMetaData, list[pq.ColumnChunkMetaData]]]:
    said = file.metadata
    for group in (said.row_group(i) for i in range(said.num_row_groups)):
        yield group, [group.column(i) for i in range(group.num_columns)]


def survives(look: Callable[[], object]) -> bool:
    """Whether a process that looks so goes on: of a broken footer Arrow ends it, with no error that could be caught."""
    child = os.fork()
    if not child:
        with suppress(BaseException):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            look()
            os._exit(0)
        os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def check_rows(path: Path, batch: pa.RecordBatch | pa.Table) -> None:
    """Raise PoolError where a row is longer than a row may be: a text as long takes minutes to look at."""
    texts = [field.name for field in batch.schema if not _holds_bytes(field.type)]
    if batch.nbytes <= LONGEST_ROW or len({*batch.schema.names}) < len(batch.schema.names):
        return
    for row in (batch.slice(i, 1) for i in range(batch.num_rows)):
        for what, size, most in (
            ("texts", row.select(texts).nbytes, LONGEST_ROW),
            ("columns", row.nbytes, _LARGEST_ROW),
        ):
            if size > most:
                raise _bomb(path, f"the {what} of a row have {size} bytes, and may have {most}")


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return any(_holds_bytes(kind.field(i).type) for i in range(kind.num_fields))
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _bomb(path: Path, what: str) -> PoolError:
    return PoolError(f"{path}: {what}: no instruction data have so much; cut it, or write the file again without it")


def rows_of(file: Path, wanted: Callable[[pa.Schema], list[str]] = lambda schema: schema.names) -> Iterator[dict]:
    """Rows of a parquet file with only the columns that `wanted` picks from its schema.

    All columns are read and validated. Raises PoolError if a column is unreadable or occurs twice.
    """
    try:
        with pq.ParquetFile(file) as opened:
            check_columns(file, opened.schema_arrow.names)
            columns = wanted(opened.schema_arrow)
            for batch in batches_of(file, opened, _BATCH):
                batch.validate(full=True)
                yield from batch.select(columns).to_pylist()
    except PoolError:
        raise
    except Exception as error:
        raise unreadable(file, error) from None
