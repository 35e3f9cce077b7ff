"""The contract: where each artifact lies, its columns, shapes and dtypes, and how it is loaded and saved.

    raw/rows.parquet             id, source, images[{bytes, path}], turns[{role, text}]; row number = position: the pool as it was read, or
                                 the last version that `pool.lineage` makes of it
    raw/skipped.json             [{id, reason}] of rows left out under pool.on_bad_row: skip
    crossfit/                    fold.npy int32, similarity.npy float32 [n_rows] (NaN without an image); of answer tokens, row r's from bounds[r] to bounds[r + 1]
                                 (int64 [n_rows + 1]): token.npy, likeliest.npy int32, nll.npy, likeliest_nll.npy, entropy.npy, blind_nll.npy float32 [n_tokens]
    cleaning/findings.parquet    row, id, check, score, flag, evidence: what each check found in each raw row; copies.npy int64 [n_rows]: the row that
                                 makes a row superfluous, itself where none does
    cleaned/                     as raw, without the rows that checks were told to drop, which skipped.json names, and with new answers where they were told to
                                 rewrite; lineage.csv, if any were: every change with both answers and its reason (data/lineage.py)
    pool/                        as raw: what all other stages work on, a copy of raw or of cleaned (`clean.pool`)
    labels.parquet               id, subtask, meta_task, form, noise, duplicate_of (mini world; reports and oracle only)
    benchmarks/probe|score       hub layout; methods read probe, evaluation reads score
    embeddings/                  image.npy, text.npy float32 [n_rows, width] in one space, sentence.npy float32 [n_rows, 384]: unit
                                 rows, image zero where a row has none
    views/                       concept.npy, skill.npy float32 [n_rows, width] and probe_concept.npy, probe_skill.npy float32 [n_probe, width]:
                                 unit rows, concept zero where a row has no image; probe_target.npy str [n_probe], BENCHMARK/META-TASK;
                                 described.npy str [n_targets], described_concept.npy, described_skill.npy float32 [n_targets, width] and
                                 descriptions.json, of each target's description in words; pool.parquet, probe.parquet: id, skills
    features/                    activations.npy float16 [n_rows, n_layers, 2, width], hidden.npy float32 [n_rows, width];
                                 nll.npy, el2n.npy, margin.npy float32 [n_snapshots, n_rows]
    score_net/                   features.npy float32 [n_rows, width], difficulty.npy float32 [n_rows]
    clusters/assignment.npy      int32 [n_rows];  clusters/centroids.npy float32 [n_clusters, width]
    proxy/snapshot_K.safetensors <name>, <name>.exp_avg, <name>.exp_avg_sq per LoRA parameter; proxy/snapshots.json
    capture/gram.npy             float64 [n_snapshots, n_subtasks, n_subtasks]; capture/trajectories.npy, gradients.npy, unit_gradients.npy
                                 float32 [n_snapshots, n_subtasks, width]; capture/subtasks.json; of the probe rows
                                 capture/row_gram.npy float32 [n_snapshots, n, n], capture/row_subtask.npy int32 [n]
    replicas/SEED.npy            float32 [n_snapshots, n, n]: capture/row_gram.npy of a proxy run of another seed; replicas/replicas.json: the seeds
    influence/influence.npy      float32 [n_snapshots, n_rows, n_subtasks]; self_influence.npy, norm.npy, loss.npy
                                 float32 [n_snapshots, n_rows]; with capture.keep_sketches also sketches.npy float32
                                 [n_snapshots, n_rows, width]
    matching/                    update_on_mean.npy, update_on_units.npy, gradient_on_units.npy float32 [n_snapshots, n_rows, n_subtasks];
                                 update_norm.npy, gradient_norm.npy float32 [n_snapshots, n_rows]; mean_norm.npy float32 [n_snapshots,
                                 n_subtasks]; gradient.npy float16 [n_rows, match.keep_width], kept_norm.npy float32 [n_rows]; benchmark.npy int32, probe_rows.npy int64
                                 [n_subtasks]; rate.npy float64 [n_snapshots]
    capabilities/                capabilities.json; stability.json; cosine.npy float64 [n_subtasks, n_subtasks]; together.npy float64 [n_subtasks, n_subtasks]; capability.npy int32, weight.npy float64 [n_subtasks]; influence.npy float32 [n_rows,
                                 n_capabilities], (cosines, or standard deviations: `discover.attribution`), affinity.npy and purity.npy
                                 float32 [n_rows, n_subtasks]; self_influence.npy float32 [n_snapshots, n_rows]
    selections/METHOD/bBB_sS.parquet   row, rank, weight, capability, stage; of a method that goes on choosing in training the warm-up
                                 alone, with plan.json (settings, and the digest of the schedule's code) and cluster.npy
                                 int32 [n_rows] for what follows
    adapters/METHOD/bBB_sS/      a PEFT adapter; loss.npy float32 [n_steps]; where training chose rows also selection.parquet, all of them
                                 with their round as stage and their cluster as capability, and rounds.npy float64 [n_measurements,
                                 n_clusters, 6]: loss, accuracy, relative change, share, rows measured, rows bought before
    results/METHOD/samples.parquet     budget, seed, task, doc, group, meta, score, chance, prediction
                                 metrics.json: budget key -> seed -> benchmark's own figures

Everything lies under `artifacts/`, owned by DVC. `artifacts/scratch` (shards, to resume from) and `artifacts/costs`
(seconds and memory, which vary) are no DVC outputs.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path("artifacts")
RAW, CLEANED, POOL, LABELS = ROOT / "raw", ROOT / "cleaned", ROOT / "pool", ROOT / "labels.parquet"
CROSSFIT, CLEANING = ROOT / "crossfit", ROOT / "cleaning"
BENCHMARKS = ROOT / "benchmarks"
PROBE, SCORE = BENCHMARKS / "probe", BENCHMARKS / "score"
EMBEDDINGS, VIEWS, CLUSTERS = ROOT / "embeddings", ROOT / "views", ROOT / "clusters"
PROXY, CAPTURE, INFLUENCE = ROOT / "proxy", ROOT / "capture", ROOT / "influence"
REPLICAS = ROOT / "replicas"
MATCHING, FEATURES, SCORE_NET = ROOT / "matching", ROOT / "features", ROOT / "score_net"
CAPABILITIES, SELECTIONS = ROOT / "capabilities", ROOT / "selections"
ADAPTERS, RESULTS = ROOT / "adapters", ROOT / "results"
SCRATCH, COSTS = ROOT / "scratch", ROOT / "costs"

SELECTION_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("rank", pa.int64()),
        ("weight", pa.float32()),
        ("capability", pa.int32()),
        ("stage", pa.int32()),
    ]
)


@dataclass(frozen=True)
class Selection:
    """Which rows to train on, in which order: the one thing every method makes.

    row int64 [n]: pool row; a row replayed in a later stage stands there again. rank = position, the training order.
    weight float32 [n]. capability int32 [n]: -1 where a method has none. stage int32 [n]: non-decreasing from 0.
    """

    row: np.ndarray
    weight: np.ndarray
    capability: np.ndarray
    stage: np.ndarray

    @classmethod
    def of_rows(cls, row: np.ndarray) -> Selection:
        """Rows in training order, all alike, in one stage."""
        n = len(row)
        return cls(np.asarray(row, np.int64), np.ones(n, np.float32), np.full(n, -1, np.int32), np.zeros(n, np.int32))

    def __len__(self) -> int:
        return len(self.row)

    @property
    def n_unique(self) -> int:
        return len(np.unique(self.row))


def read_json(path: Path):
    return json.loads(path.read_text())


def write_json(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


def fresh(folder: Path) -> Path:
    """`folder`, empty: an output never holds what an earlier run left."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def save_array(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array, allow_pickle=False)


def load_array(path: Path) -> np.ndarray:
    """A memory map: nothing is read before it is used."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


def load_arrays(folder: Path) -> dict[str, np.ndarray]:
    """Every array of an artifact, by the name of its file."""
    return {path.stem: load_array(path) for path in sorted(folder.glob("*.npy"))}


def load_pool(folder: Path = POOL) -> pa.Table:
    """The pool: columns id, source, images, turns, in row order."""
    return pq.read_table(folder / "rows.parquet", memory_map=True)


def selection_path(method: str, run: str) -> Path:
    return SELECTIONS / method / f"{run}.parquet"


def realised_selection(method: str, run: str) -> Selection:
    """The rows that a run was trained on: what the method selected or, where training went on choosing, what it bought."""
    bought = ADAPTERS / method / run / "selection.parquet"
    return load_selection(bought if bought.exists() else selection_path(method, run))


def save_selection(path: Path, selection: Selection) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [selection.row, np.arange(len(selection)), selection.weight, selection.capability, selection.stage]
    pq.write_table(pa.Table.from_arrays([pa.array(c) for c in columns], schema=SELECTION_SCHEMA), path)


def load_selection(path: Path) -> Selection:
    """The selection in rank order. Raises ValueError where columns differ from the contract."""
    table = pq.read_table(path)
    if table.schema != SELECTION_SCHEMA:
        raise ValueError(
            f"{path}: columns {table.schema.names}, expected {SELECTION_SCHEMA.names} of the contract's types"
        )
    table = table.sort_by("rank")
    return Selection(*(table[name].to_numpy() for name in ("row", "weight", "capability", "stage")))
