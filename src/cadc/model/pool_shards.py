"""Compute arrays over pool rows in shards; shared by `features`, `attribute` and `match`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from cadc import artifacts
from cadc.compute import shards
from cadc.compute.finite import refuse_not_finite
from cadc.config.params import Params
from cadc.model.encode import EncodedRows
from cadc.model.load import load_processor

#: Named arrays of the rows `which` int64 [n]: [n, ...], or [n_snapshots, n, ...] if they differ by snapshot.
Measure = Callable[[EncodedRows, np.ndarray], dict[str, np.ndarray]]


_FIX = "check these rows or leave them out; if there are many, lower proxy.learning_rate"


def pool_shard(params: Params, measure: Measure, by_row: tuple[str, ...] = ()) -> shards.Task:
    """Shard task: `measure` on one range of `capture.shard_rows` pool rows, saved as .npy files in a folder.

    Arrays named in `by_row` have the rows on their first axis, others on their second. Raises InputError naming rows
    with non-finite values.
    """
    processor, pool, size = load_processor(params.model), artifacts.load_pool(), params.capture.shard_rows

    def shard(index: int, folder: Path) -> None:
        which = np.arange(index * size, min((index + 1) * size, pool.num_rows))
        rows = EncodedRows(pool, processor, params.model.max_length, long_rows=params.model.long_rows)
        for name, array in measure(rows, which).items():
            refuse_not_finite({name: array}, int(name not in by_row), rows.ids(which), fix=_FIX)
            artifacts.save_array(folder / f"{name}.npy", array)

    return shard


def measure_pool(
    make: Callable[[], shards.Task],
    stage: str,
    label: str,
    params: Params,
    inputs: list,
    out: Path,
    by_row: tuple[str, ...] = (),
    by_snapshot: tuple[str, ...] = (),
) -> int:
    """Run `make()`, a `pool_shard`, over the whole pool. Returns the number of rows.

    The arrays named in `by_row` and `by_snapshot` are written to the emptied folder `out`. `inputs`: what the arrays
    depend on besides pool, proxy run, model and `capture`; see `shards.run`.
    """
    n_rows = artifacts.load_pool().num_rows
    keys = list(range(-(-n_rows // params.capture.shard_rows)))
    inputs = [
        *inputs,
        params.capture.model_dump(),
        params.model.model_dump(),
        artifacts.POOL,
        artifacts.proxy_run(params.run),
        *params.model.sources,
    ]
    folders = shards.run(make, keys, stage, inputs, label)
    artifacts.fresh(out)
    for names, axis in ((by_row, 0), (by_snapshot, 1)):
        for name in names:
            shards.join(folders, f"{name}.npy", out / f"{name}.npy", n_rows, axis)
    return n_rows
