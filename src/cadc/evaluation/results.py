"""An arm's small results, kept in git: scored samples, training rows, and the history of adaptive methods.

Every table and plot can be made again from these alone (reports/arms/ARM/):

    samples.parquet      seed int32, then as in `sample_schema`
    selections.parquet   seed int32, row int64, id, capability int32, stage int32, in training order; a replayed row
                         occurs again
    metrics.json         seed -> task -> lmms-eval's own metrics
    rounds_SEED.npy      for methods that select during training: float64 [n_measurements, n_clusters, 6]
    cluster.npy          for such methods: the cluster of each row, unsigned integers [n_rows]
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cadc import artifacts
from cadc.evaluation.statistics import Samples

_COMPACT = {"compression": "zstd", "compression_level": 19}


def save_results(arm: str, seeds: list[int], scored: dict[int, Path], pool: pa.Table) -> int:
    """Write the small results of `arm`. scored: folder with each seed's samples and metrics. Returns the number of
    samples."""
    out, ids = artifacts.fresh(artifacts.ARMS / arm), pool["id"]
    samples = pa.concat_tables(
        [
            artifacts.read_table(scored[seed] / "samples.parquet").add_column(
                0, "seed", pa.repeat(pa.scalar(seed, pa.int32()), n)
            )
            for seed in seeds
            for n in [pq.read_metadata(scored[seed] / "samples.parquet").num_rows]
        ]
    )
    artifacts.write_table(out / "samples.parquet", samples, **_COMPACT)
    parts = []
    for seed in seeds:
        chosen = artifacts.realised_selection(arm, seed)
        columns = {
            "seed": np.full(len(chosen), seed, np.int32),
            "row": chosen.row,
            "id": ids.take(pa.array(chosen.row)),
            "capability": chosen.capability,
            "stage": chosen.stage,
        }
        parts.append(pa.table(columns))
    artifacts.write_table(out / "selections.parquet", pa.concat_tables(parts), **_COMPACT)
    metrics = {artifacts.run_name(seed): artifacts.read_json(scored[seed] / "metrics.json") for seed in seeds}
    artifacts.write_json(out / "metrics.json", metrics)
    for seed in seeds:
        rounds = artifacts.ADAPTERS / arm / artifacts.run_name(seed) / "rounds.npy"
        if rounds.exists() or (artifacts.SELECTIONS / arm / "plan.json").exists():
            shutil.copyfile(rounds, out / f"rounds_{seed}.npy")
            cluster = np.asarray(artifacts.load_array(artifacts.SELECTIONS / arm / "cluster.npy"))
            artifacts.save_array(out / "cluster.npy", cluster.astype(np.min_scalar_type(int(cluster.max()))))
    return samples.num_rows


def load_samples(arm: str) -> dict[int, Samples]:
    """Samples of an arm by seed. Raises FileNotFoundError if they do not exist yet."""
    table = artifacts.read_table(artifacts.ARMS / arm / "samples.parquet")
    seeds = sorted(set(table["seed"].to_pylist()))
    return {seed: Samples.of_table(table.filter(pc.equal(table["seed"], seed))) for seed in seeds}


def load_selections(arm: str) -> dict[int, pa.Table]:
    """Selected rows of an arm by seed, in training order."""
    table = artifacts.read_table(artifacts.ARMS / arm / "selections.parquet")
    seeds = sorted(set(table["seed"].to_pylist()))
    return {seed: table.filter(pc.equal(table["seed"], seed)) for seed in seeds}
