"""The rows of parquet files that people give, and what is said where such a file can't be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cadc.data.file_kinds import other_file
from cadc.data.reasons import PoolError

_BATCH = 256  # rows read at a time: they hold pictures


def unreadable(path: Path, error: Exception) -> PoolError:
    """Whatever Arrow and datasets raise at broken files, in our words."""
    if path.is_file():
        with path.open("rb") as file:
            if other := other_file(file.read(512), b"PAR1"):
                return PoolError(f"{path}: {other}")
    said = " ".join(str(error).split())[:200]
    return PoolError(f"{path}: can't be read as a dataset ({type(error).__name__}: {said}); fetch or write it again")


def check_columns(path: Path, columns: list[str]) -> None:
    """Raise PoolError where a column is there twice: which of the two is meant nobody knows."""
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise PoolError(f"{path}: has the column {twice[0]} twice; keep one of the two")


def rows_of(file: Path, wanted: Callable[[pa.Schema], list[str]] = lambda schema: schema.names) -> Iterator[dict]:
    """The rows of a parquet file, cut down to the columns that are `wanted` of its schema.

    All columns are read: raises PoolError where any can't be, or is there twice.
    """
    try:
        with pq.ParquetFile(file) as opened:
            check_columns(file, opened.schema_arrow.names)
            columns = wanted(opened.schema_arrow)
            for batch in opened.iter_batches(_BATCH):
                batch.validate(full=True)
                yield from batch.select(columns).to_pylist()
    except PoolError:
        raise
    except Exception as error:
        raise unreadable(file, error) from None
