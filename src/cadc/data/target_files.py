"""Files of rows to aim at: a user's own task in LLaVA's format, its subtasks by `source` or `task_name`."""

from __future__ import annotations

from pathlib import Path

from cadc.config.params import Params
from cadc.config.targets import target_name
from cadc.data.probe import Probe
from cadc.data.reader import read_pool


def file_rows(params: Params, target: str) -> list[Probe]:
    """The rows of file `target`, pictures in them, held to what rows of the pool are.

    A subtask is a row's source as the pool's reader tells it. Raises PoolError naming file and row: none is skipped.
    """
    data, rules = params.data, params.pool.rules | {"embed_images": True}
    folder = params.capture.target_images or (data.path and data.inside(data.images)) or Path(target).parent
    name = target_name(target)
    return [
        (row | {"id": f"{name} {row['id']}"}, f"{row['source']} ({name})", row["source"])
        for row in read_pool(Path(target), Path(folder), **rules)[0].to_pylist()
    ]
