"""Target rows from a file: a user's own task in LLaVA's format, with one subtask per `source` or `task_name`."""

from __future__ import annotations

from pathlib import Path

from cadc.config.params import Params
from cadc.config.targets import target_name
from cadc.data.probe import Probe
from cadc.data.reader import read_pool


def file_rows(params: Params, target: str) -> list[Probe]:
    """The rows of file `target` with embedded images, under the same checks as pool rows.

    Each distinct source is a subtask. Raises PoolError naming file and row; no row is skipped.
    """
    data, rules = params.data, params.pool.rules | {"embed_images": True}
    folder = params.capture.target_images or (data.path and data.inside(data.images)) or Path(target).parent
    name = target_name(target)
    return [
        (row | {"id": f"{name} {row['id']}"}, f"{row['source']} ({name})", row["source"])
        for row in read_pool(Path(target), Path(folder), **rules)[0].to_pylist()
    ]
