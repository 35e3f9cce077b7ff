"""Pools and generated worlds as files: rows in one table, labels, benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from cadc import artifacts
from cadc.artifacts import fresh, write_json
from cadc.compute import console
from cadc.config.data import Pool
from cadc.config.world import Benchmarks, World
from cadc.data.reader import copy_pool
from cadc.world.benchmarks import write_benchmarks
from cadc.world.mini_world import write_pool

LABELS = pa.schema([(name, pa.string()) for name in ("id", "subtask", "meta_task", "form", "noise", "duplicate_of")])


def write_labels(path: Path, labels: list[dict]) -> None:
    """Write noise labels, one dict per row; [] for data without labels."""
    artifacts.write_table(path, pa.Table.from_pylist(labels, schema=LABELS))


def write_rows(folder: Path, annotations: Path, images: Path, settings: Pool) -> None:
    """Read and check a pool into `folder`: rows.parquet and skipped.json."""
    rows = fresh(folder) / "rows.parquet"
    n_rows, skipped = copy_pool(rows, annotations, images, settings.on_bad_row, **settings.rules)
    write_json(folder / "skipped.json", [vars(row) for row in skipped])
    console.line(f"pool: {n_rows} rows, {len(skipped)} skipped")


def write_world_pool(folder: Path, scratch: Path, world: World, settings: Pool) -> list[dict]:
    """Write a world's pool to `folder` with the same reader as your own data. Returns its labels.

    The pool is first written to `scratch` as LLaVA-format JSON and PNG files.
    """
    labels = write_pool(fresh(scratch), world, np.random.default_rng(world.seed))
    write_rows(folder, scratch / "pool.json", scratch / "images", settings)
    return labels


def write_world(folder: Path, scratch: Path, world: World, sizes: Benchmarks, settings: Pool) -> None:
    """Write a whole world to `folder`: pool/ as artifacts.load_pool reads it, labels.parquet, benchmarks/probe and
    score.

    Images are always embedded, because the files in `scratch` may be deleted.
    """
    fresh(folder)
    settings = settings.model_copy(update={"embed_images": True})
    write_labels(folder / "labels.parquet", write_world_pool(folder / "pool", scratch, world, settings))
    probe, score = fresh(folder / "benchmarks/probe"), fresh(folder / "benchmarks/score")
    write_benchmarks(probe, score, sizes, world)
