"""The embedded world's labels of pool rows: for evaluation and reports alone, never for a method."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from cadc import artifacts
from cadc.data.lineage import apply_to_labels, read_lineage


def load_labels(folder: Path = artifacts.POOL) -> pa.Table:
    """The labels of the pool's rows, in its order, changed as its lineage says. No row where the pool has no labels."""
    labels, lineage = artifacts.read_table(artifacts.LABELS), folder / "lineage.csv"
    if not labels.num_rows:
        return labels
    ids = artifacts.load_pool(folder)["id"].to_pylist()
    if lineage.exists():
        return pa.Table.from_pylist(apply_to_labels(labels.to_pylist(), [], ids, read_lineage(lineage)), labels.schema)
    place = {name: i for i, name in enumerate(labels["id"].to_pylist())}
    return labels.take([place[name] for name in ids])
