"""Find the rows that a model can't train on, in shards, and reject them or skip and count them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from cadc import artifacts
from cadc.compute import shards
from cadc.config.errors import InputError
from cadc.config.params import Model
from cadc.model.fit import Fit

SHARD_ROWS = 5000


def stretches(source: Path) -> list[int]:
    """The keys of `finding`'s shards. Raises InputError if the pool in folder `source` has no rows."""
    n_rows = artifacts.load_pool(source).num_rows
    if not n_rows:
        raise InputError(
            f"{source / 'rows.parquet'}: the pool has no rows; {source / 'skipped.json'} lists the skipped rows and why"
        )
    return list(range(-(-n_rows // SHARD_ROWS)))


def inputs_of(model: Model, source: Path) -> list:
    """The inputs that decide which rows fit, for `shards.run`."""
    settings = model.model_dump(exclude={"lora", "dtype", "attention", "packing", "gradient_checkpointing", "tf32"})
    return [settings, source, *model.sources]


def finding(fit: Fit, source: Path) -> shards.Task:
    """Shard task: the misfits of one range of the pool in folder `source`, as misfits.json in a folder."""
    pool = artifacts.load_pool(source)

    def shard(index: int, folder: Path) -> None:
        found = fit.misfits(pool.slice(index * SHARD_ROWS, SHARD_ROWS))
        rows = [row | {"place": index * SHARD_ROWS + row["place"]} for row in found]
        artifacts.write_json(folder / "misfits.json", rows)

    return shard


def found_in(folders: Iterable[Path]) -> list[dict]:
    """The misfits found by all shards of `finding`: place, id and reason of each, in row order."""
    return [row for folder in folders for row in artifacts.read_json(folder / "misfits.json")]


def misfits_of(make: Callable[[], shards.Task], source: Path, model: Model, stage: str) -> list[dict]:
    """The misfits of the pool in folder `source`, found by shards of `stage`, which stay until forgotten.

    `make()` returns `finding(Fit(model), source)`. Raises InputError if there are no rows.
    """
    return found_in(shards.run(make, stretches(source), stage, inputs_of(model, source), "rows that fit").values())


def refuse(misfits: list[dict], n_rows: int, on_bad_row: str, place: Path | str) -> None:
    """Raise InputError naming the first misfit among the `n_rows` of `place`, unless `on_bad_row` allows skipping and
    other rows are left."""
    if not misfits or (on_bad_row != "fail" and len(misfits) < n_rows):
        return
    more = f" ({len(misfits) - 1} more of {n_rows} rows)" if len(misfits) > 1 else ""
    skip = "; or set pool.on_bad_row: skip to leave such rows out and count them" if len(misfits) < n_rows else ""
    raise InputError(f"{place}, row id {misfits[0]['id']}: {misfits[0]['reason']}{more}{skip}")
