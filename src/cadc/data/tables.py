"""Read rows of parquet files that users supply, with clear errors for unreadable files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cadc.data.file_kinds import other_file
from cadc.data.reasons import PoolError

_BATCH = 256  # rows per read; small, because rows hold images


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


def rows_of(file: Path, wanted: Callable[[pa.Schema], list[str]] = lambda schema: schema.names) -> Iterator[dict]:
    """Rows of a parquet file with only the columns that `wanted` picks from its schema.

    All columns are read and validated. Raises PoolError if a column is unreadable or occurs twice.
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
