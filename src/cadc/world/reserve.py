"""The reserve: rows like the pool's but not in it, from which updates collect rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from cadc.artifacts import fresh
from cadc.compute import console
from cadc.config.params import Params
from cadc.data.reader import POOL_FEATURES, PoolError, read_pool
from cadc.data.reasons import some
from cadc.world.mini_world import write_pool

PREFIX = "reserve:"  # keeps reserve ids distinct from pool ids


def read_reserve(params: Params, scratch: Path) -> tuple[pa.Table, list[dict]]:
    """The reserve as a pool table with prefixed ids, and its noise labels (only for the mini world; else []).

    `metabolize.reserve` names a folder with pool.json and images/. Without it, the mini world is drawn again into
    `scratch` with another seed; for your own data, the reserve is empty. Raises PoolError if the folder can't be read.
    """
    asked, pool = params.metabolize, params.pool
    labels: list[dict] = []
    if asked.reserve is not None:
        folder = Path(asked.reserve)
        if not (folder / "pool.json").is_file():
            raise PoolError(
                f"metabolize.reserve: no {folder / 'pool.json'}; give a folder with pool.json and images/ in LLaVA's "
                "format, or null"
            )
    elif params.data.path is not None or not asked.reserve_rows:
        return pa.Table.from_pylist([], POOL_FEATURES.arrow_schema), labels
    else:
        folder = fresh(scratch)
        world = params.world.model_copy(update={"seed": asked.reserve_seed, "rows": asked.reserve_rows})
        labels = write_pool(folder, world, np.random.default_rng(world.seed))
        labels = [
            label
            | {"id": PREFIX + label["id"], "duplicate_of": label["duplicate_of"] and PREFIX + label["duplicate_of"]}
            for label in labels
        ]
    table, skipped = read_pool(folder / "pool.json", folder / "images", pool.on_bad_row, **pool.rules)
    if skipped:
        names = some([row.id for row in skipped])
        console.line(f"reserve: {table.num_rows} rows, {len(skipped)} skipped: {names}; first: {skipped[0].reason}")
    ids = [PREFIX + name for name in table["id"].to_pylist()]
    return table.set_column(0, "id", pa.array(ids, pa.string())), labels
