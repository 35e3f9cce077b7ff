"""The contract between stages: the path of each artifact, its columns, shapes and dtypes, and how to load and save it.

NAME is a named variant, ARM an arm, SEED a number.

    raw/                         rows.parquet: id, source, images[{bytes, path}], turns[{role, text}]; row number =
                                 position: the pool as read, sorted by id, or the last version that `pool.lineage`
                                 makes of it;
                                 skipped.json: [{id, reason}] of rows skipped under pool.on_bad_row: skip or llava
    crossfit/                    fold.npy int32 (-1: the row does not fit the model and has no other evidence),
                                 similarity.npy float32 [n_rows] (NaN without an image); of answer tokens, row r's from
                                 bounds[r] to bounds[r + 1] (int64 [n_rows + 1]): token.npy, likeliest.npy int32,
                                 nll.npy, likeliest_nll.npy, entropy.npy, blind_nll.npy float32 [n_tokens]
    cleaning/                    findings.parquet: row, id, check, score, flag, evidence: the findings of each check on
                                 each raw row; copies.npy int64 [n_rows]: the row that makes a row redundant, or the row
                                 itself
    cleaned/                     as raw, without dropped rows (listed in skipped.json), and with new answers where
                                 checks rewrite; lineage.csv: every change with both answers and the reason
                                 (data/lineage.py)
    pool/                        as raw: the input of all other stages, a copy of raw or of cleaned (`clean.pool`)
                                 without rows that `model` can't train on (listed in skipped.json), sorted by id
    labels.parquet               id, subtask, meta_task, form, noise, duplicate_of (generated world; reports and oracle
                                 only)
    benchmarks/probe|score       hub layout; methods read probe, evaluation reads score;
                                 probe/targets/NAME.parquet: target rows drawn for a target, a pool table with
                                 subtask and meta_task (the generated world's benchmarks are read in place)
    worlds/NAME/                 a separate generated world of `worlds`: pool/ as raw, labels.parquet and
                                 benchmarks/probe|score as above (the gate; conclusions are confirmed in world-b)
    embeddings/                  image.npy, text.npy float32 [n_rows, width] in one space (no text if embed.tower can't
                                 embed it), sentence.npy float32 [n_rows, 384]: unit rows; image is zero for a row
                                 without one
    views/NAME/                  concept.npy, skill.npy float32 [n_rows, width], probe_concept.npy, probe_skill.npy
                                 float32 [n_probe, width]: unit rows, concept zero for a row without an image;
                                 probe_target.npy str [n_probe], BENCHMARK/META-TASK; described.npy str [n_targets],
                                 described_concept.npy, described_skill.npy float32 [n_targets, width] and
                                 descriptions.json: each target's description in words; pool.parquet, probe.parquet:
                                 id, skills
    proxy/NAME/run_K/            of the K-th seed: snapshot_T.safetensors: <name>, <name>.exp_avg, <name>.exp_avg_sq
                                 of each LoRA parameter; snapshots.json; loss.npy float32 [n_steps]
    features/NAME/               activations.npy float16 [n_rows, n_layers, 2, width], hidden.npy float32 [n_rows,
                                 width]; nll.npy, el2n.npy, margin.npy, entropy.npy float32 [n_snapshots, n_rows]
    contrasts/NAME/              nll_shown.npy, nll_blind.npy float32 [n_rows]; attended.npy float32 [n_rows, width];
                                 singular.npy float32 [n_snapshots, n_rows, 5]; ratio.npy float32 [n_rows], 0 except
                                 for reference rows; shows.npy bool [n_rows]; image.npy, sentence.npy as in embeddings/
    score_net/NAME/              features.npy float32 [n_rows, width], difficulty.npy float32 [n_rows]
    capture/NAME/                gram.npy float64 [n_snapshots, n_subtasks, n_subtasks]; trajectories.npy,
                                 gradients.npy, unit_gradients.npy float32 [n_snapshots, n_subtasks, width];
                                 subtasks.json; of the n probe rows row_subtask.npy int32 [n] and, for each proxy run,
                                 row_gram_run_K.npy float32 [n_snapshots, n, n]; all but the latter are of the first run
    influence/NAME/              influence.npy float32 [n_snapshots, n_rows, n_subtasks]; self_influence.npy,
                                 norm.npy, loss.npy float32 [n_snapshots, n_rows]; with capture.keep_sketches also
                                 sketches.npy float32 [n_snapshots, n_rows, width]
    matching/NAME/               update_on_mean.npy, update_on_units.npy, gradient_on_units.npy float32 [n_snapshots,
                                 n_rows, n_subtasks]; update_norm.npy, gradient_norm.npy float32 [n_snapshots,
                                 n_rows]; mean_norm.npy float32 [n_snapshots, n_subtasks]; gradient.npy float16 [n_rows,
                                 match.keep_width], kept_norm.npy float32 [n_rows]; benchmark.npy int32, probe_rows.npy
                                 int64 [n_subtasks]; rate.npy float64 [n_snapshots]
    capabilities/NAME/           capabilities.json; stability.json; cosine.npy, together.npy float64 [n_subtasks,
                                 n_subtasks]; capability.npy int32, weight.npy float64 [n_subtasks]; influence.npy
                                 float32 [n_rows, n_capabilities] (cosines, or standard deviations:
                                 `discover.attribution`), affinity.npy and purity.npy float32 [n_rows, n_subtasks];
                                 self_influence.npy float32 [n_snapshots, n_rows]
    selections/ARM/              sSEED.parquet: row, rank, weight, capability, stage; for a method that continues to
                                 select during training, only the warm-up, with plan.json and cluster.npy int32
                                 [n_rows] for the rest
    adapters/ARM/sSEED/          a PEFT adapter; loss.npy float32 [n_steps]; if rows were selected during training, also
                                 selection.parquet (all rows, with their round as stage and their cluster as
                                 capability), and rounds.npy float64 [n_measurements, n_clusters, 6]: loss, accuracy,
                                 relative change, share, rows measured, rows unlocked before
    export/ARM/sSEED/            the selected rows in trainers' formats (docs/own_data.md); why.parquet
                                 (export/why.py), manifest.json (export/manifest.py)

These are DVC outputs under `artifacts/`. `artifacts/scratch` (shards and finished runs) and `artifacts/costs` (seconds
and memory, which vary) are not DVC outputs. Small results are in git under `reports/`: arms/ARM
(evaluation/results.py), capabilities/NAME (capabilities/description.py), pool.parquet and operations.json (stages/).
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cadc.config.errors import InputError, first_line, missing

ROOT = Path("artifacts")
RAW, CLEANED, POOL, LABELS = ROOT / "raw", ROOT / "cleaned", ROOT / "pool", ROOT / "labels.parquet"
CROSSFIT, CLEANING = ROOT / "crossfit", ROOT / "cleaning"
BENCHMARKS, WORLDS = ROOT / "benchmarks", ROOT / "worlds"
PROBE, SCORE = BENCHMARKS / "probe", BENCHMARKS / "score"
EMBEDDINGS, VIEWS = ROOT / "embeddings", ROOT / "views"
PROXY, CAPTURE, INFLUENCE = ROOT / "proxy", ROOT / "capture", ROOT / "influence"
MATCHING, FEATURES, SCORE_NET, CONTRASTS = (ROOT / name for name in ("matching", "features", "score_net", "contrasts"))
CAPABILITIES, SELECTIONS = ROOT / "capabilities", ROOT / "selections"
ADAPTERS, EXPORT = ROOT / "adapters", ROOT / "export"
SCRATCH, COSTS = ROOT / "scratch", ROOT / "costs"
REPORTS, PIPELINES = Path("reports"), Path("pipelines")
ARMS, FOUND, FACTS = REPORTS / "arms", REPORTS / "capabilities", REPORTS / "pool.parquet"  # small results, in git

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
    """The rows to train on, in order: the output of every method.

    row int64 [n]: pool row; a row replayed in a later stage is repeated. rank = position, the training order.
    weight float32 [n]. capability int32 [n]: -1 if a method has none. stage int32 [n]: non-decreasing from 0.
    """

    row: np.ndarray
    weight: np.ndarray
    capability: np.ndarray
    stage: np.ndarray

    @classmethod
    def of_rows(cls, row: np.ndarray) -> Selection:
        """Rows in training order, with equal weights, in one stage."""
        n = len(row)
        return cls(np.asarray(row, np.int64), np.ones(n, np.float32), np.full(n, -1, np.int32), np.zeros(n, np.int32))

    def __len__(self) -> int:
        return len(self.row)

    @property
    def n_unique(self) -> int:
        return len(np.unique(self.row))


def damaged(path: Path, error: Exception) -> InputError:
    """The error for a damaged output, which DVC does not notice: its cached copy is the same file."""
    what = f"`git restore {path}`" if REPORTS in path.parents else "`make fsck`, which says what to run again"
    why = first_line(error) if str(error) else "it is empty"
    return InputError(f"{path}: can't be read ({why}): damaged after writing; run {what}")


def read_json(path: Path) -> Any:
    """Raises InputError naming the file if it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise damaged(path, error) from None


def read_table(path: Path, **options: Any) -> pa.Table:
    """Read a parquet file; options: pyarrow's. Raises InputError naming the file if it is not one."""
    try:
        return pq.read_table(path, **options)
    except FileNotFoundError:  # pyarrow's does not say which in a way that code can read
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from None
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, PermissionError):
            raise
        raise damaged(path, error) from None


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path next to `path` that replaces it when writing is complete; all outputs are written this way.

    Outputs are hard links into DVC's cache, so writing into one would corrupt the cached copy; the rename does not
    touch it. A killed process leaves no incomplete file under the final name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        short = error.errno is None and " requested and " in str(error)  # NumPy's message for a full disk
        number = errno.ENOSPC if short else error.errno
        if number is None or error.filename not in (None, str(part)):
            raise
        raise OSError(number, os.strerror(number), str(path)) from error
    finally:
        part.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    with whole(path) as part:
        part.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def write_table(path: Path, table: pa.Table, **options: Any) -> None:
    """Write a parquet file; options: pyarrow's."""
    with whole(path) as part:
        pq.write_table(table, part, **options)


def fresh(folder: Path) -> Path:
    """`folder`, emptied, so that an output never keeps files of an earlier run."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def save_array(path: Path, array: np.ndarray) -> None:
    with whole(path) as part, part.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def load_array(path: Path) -> np.ndarray:
    """A memory map, read on demand. Raises InputError if there is no such file."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise missing(path) from None
    except (ValueError, EOFError) as error:
        raise damaged(path, error) from None


class Arrays(dict[str, np.ndarray]):
    """An artifact's arrays by name. Raises InputError for one that is not there, or if the folder is not."""

    def __init__(self, folder: Path):
        if not folder.is_dir():
            raise missing(folder)
        super().__init__((path.stem, load_array(path)) for path in sorted(folder.glob("*.npy")))
        self.folder = folder

    def __missing__(self, name: str) -> np.ndarray:
        raise missing(self.folder / f"{name}.npy")


def load_arrays(folder: Path) -> Arrays:
    """All arrays of an artifact, by file name without extension."""
    return Arrays(folder)


def load_pool(folder: Path = POOL) -> pa.Table:
    """The pool: columns id, source, images, turns, in row order."""
    return read_table(folder / "rows.parquet", memory_map=True)


def proxy_run(name: str, k: int = 0) -> Path:
    """The folder of the `k`-th proxy run; everything except capabilities uses the first."""
    return PROXY / name / f"run_{k}"


def run_name(seed: int) -> str:
    """The name of an arm's run with this seed."""
    return f"s{seed}"


def selection_path(arm: str, seed: int) -> Path:
    return SELECTIONS / arm / f"{run_name(seed)}.parquet"


def unlocked_path(arm: str, seed: int) -> Path:
    """The file with the rows that were selected during training."""
    return ADAPTERS / arm / run_name(seed) / "selection.parquet"


def realised_selection(arm: str, seed: int) -> Selection:
    """The rows that a run was trained on: the method's selection or, if rows were selected during training, the
    unlocked rows."""
    unlocked = unlocked_path(arm, seed)
    goes_on = unlocked.exists() or (SELECTIONS / arm / "plan.json").exists()  # its selection is only the warm-up
    return load_selection(unlocked if goes_on else selection_path(arm, seed))


def save_selection(path: Path, selection: Selection) -> None:
    columns = [selection.row, np.arange(len(selection)), selection.weight, selection.capability, selection.stage]
    write_table(path, pa.Table.from_arrays([pa.array(c) for c in columns], schema=SELECTION_SCHEMA))


def load_selection(path: Path) -> Selection:
    """The selection in rank order. Raises ValueError if the columns differ from the contract."""
    table = read_table(path)
    if table.schema != SELECTION_SCHEMA:
        raise ValueError(
            f"{path}: columns {table.schema.names}, expected {SELECTION_SCHEMA.names} of the contract's types"
        )
    table = table.sort_by("rank")
    return Selection(*(table[name].to_numpy() for name in ("row", "weight", "capability", "stage")))
