"""Ground-truth labels of the generated world's pool rows. Only evaluation and reports may read them, never a method."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from cadc import artifacts
from cadc.data.lineage import apply_to_labels, read_lineage


def load_labels(folder: Path = artifacts.POOL) -> pa.Table:
    """Labels of the pool's rows, in pool order, with the pool's lineage applied. Empty if the pool has no labels."""
    labels, lineage = artifacts.read_table(artifacts.LABELS), folder / "lineage.csv"
    if not labels.num_rows:
        return labels
    ids = artifacts.load_pool(folder)["id"].to_pylist()
    if lineage.exists():
        return pa.Table.from_pylist(apply_to_labels(labels.to_pylist(), [], ids, read_lineage(lineage)), labels.schema)
    place = {name: i for i, name in enumerate(labels["id"].to_pylist())}
    return labels.take([place[name] for name in ids])
