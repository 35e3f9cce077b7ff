"""The rows that versions consist of (raw pool and reserve), with embeddings of questions and images, and image groups.

Changes between versions do not alter these.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from cadc import artifacts
from cadc.cleaning.pool import picture_prints, shown_pictures
from cadc.compute import console, shards
from cadc.config.params import Params, load_params
from cadc.data.lineage import Change
from cadc.data.probe import load_probe
from cadc.data.reasons import some
from cadc.features.embeddings import load_sentence_encoder, row_encoder, row_text, sentence_embeddings
from cadc.model.fit import Fit
from cadc.model.misfits import finding, misfits_of, refuse
from cadc.world.reserve import read_reserve

FOLDER = artifacts.SCRATCH / "metabolize"
TABLES = {"reserve": FOLDER / "reserve.parquet", "probe": FOLDER / "probe.parquet"}
READ = FOLDER / "reserve"
SHARD_ROWS = 5000


@dataclass(frozen=True)
class Index:
    """All rows that a version can contain, with their embeddings.

    rows: table of n raw and reserve rows; the first n_pool are the raw pool's. sentence, image float32 [n, d]: unit
    embeddings of questions and images. picture int64, files bytes [n]: group and files of each row's images.
    probe_sentence, probe_image: the probe rows' embeddings.
    """

    rows: pa.Table
    n_pool: int
    sentence: np.ndarray
    image: np.ndarray
    picture: np.ndarray
    files: np.ndarray
    probe_sentence: np.ndarray
    probe_image: np.ndarray

    @property
    def pool(self) -> pa.Table:
        return self.rows.slice(0, self.n_pool)

    @property
    def reserve(self) -> pa.Table:
        return self.rows.slice(self.n_pool)

    def origins(self, ids: list[str], changes: list[Change]) -> np.ndarray:
        """The index row of each row of a version, or of its original if it is a copy: int64 [len(ids)]."""
        place = {name: i for i, name in enumerate(self.rows["id"].to_pylist())}
        for change in changes:
            if change.action == "add":
                place[change.row] = place[change.source]
        return np.array([place[name] for name in ids], np.int64)


def both_views(sentence: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Question and image embeddings concatenated, each of length 1 / sqrt(2): products are the mean of both cosines."""
    return np.hstack([sentence, image]).astype(np.float32) / np.float32(np.sqrt(2))


def indexing() -> shards.Task:
    """A task: embeddings of the reserve or the probe rows, or image fingerprints of a stretch of raw and reserve
    rows."""
    torch.set_num_threads(1)
    params = load_params()

    def part(key: str, folder: Path) -> None:
        if key in TABLES:
            table = artifacts.read_table(TABLES[key])
            sentences = load_sentence_encoder(params.embed.sentences)
            questions = [row_text(turns, answers=False) for turns in table["turns"].to_pylist()]
            artifacts.save_array(
                folder / "sentence.npy",
                sentence_embeddings(sentences, questions) if questions else np.empty((0, 1), np.float32),
            )
            image = (
                row_encoder(params.model, params.embed.tower)(table)["image"]
                if questions
                else np.empty((0, 1), np.float32)
            )
            artifacts.save_array(folder / "image.npy", image)
        else:
            images = pa.concat_tables(
                [artifacts.load_pool().select(["images"]), artifacts.read_table(TABLES["reserve"], columns=["images"])]
            )
            for name, array in picture_prints(
                images.slice(int(key) * SHARD_ROWS, SHARD_ROWS)["images"].to_pylist()
            ).items():
                artifacts.save_array(folder / f"{name}.npy", array)

    return part


def fitting() -> shards.Task:
    """A task: the rows in one stretch of the reserve that don't fit the model."""
    return finding(Fit(load_params().model), READ)


def fitting_reserve(params: Params) -> pa.Table:
    """The reserve without rows that the model can't learn from. Raises InputError naming such a row, unless
    pool.on_bad_row allows to skip it."""
    reserve, _ = read_reserve(params, artifacts.SCRATCH / "reserve")
    if not reserve.num_rows:
        return reserve
    artifacts.write_table(artifacts.fresh(READ) / "rows.parquet", reserve)
    misfits = misfits_of(fitting, READ, params.model, "metabolize/fit")
    place = Path(params.metabolize.reserve) / "pool.json" if params.metabolize.reserve else "the reserve"
    refuse(misfits, reserve.num_rows, params.pool.on_bad_row, place)
    if misfits:
        names = some([row["id"] for row in misfits])
        console.line(
            f"reserve: skipped {len(misfits)} of {reserve.num_rows} rows that {params.model.path} can't learn from: "
            f"{names}"
        )
    fits = ~np.isin(np.arange(reserve.num_rows), [row["place"] for row in misfits])
    return reserve.filter(pa.array(fits))


def build_index(params: Params, reserve: pa.Table, targets: list[str]) -> tuple[Index, pa.Table, list[str], list[str]]:
    """The index, the probe rows of the `targets`, and the subtask and target of each probe row."""
    pool = artifacts.load_pool()
    probe, subtasks, known = load_probe(artifacts.PROBE, targets, whole=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, table in (("reserve", reserve), ("probe", probe)):
        artifacts.write_table(TABLES[name], table)
    rows = pa.concat_tables([table.replace_schema_metadata(None) for table in (pool, reserve)])
    stretches = [f"{i:05d}" for i in range(-(-rows.num_rows // SHARD_ROWS))]
    inputs = [params.model.model_dump(), params.embed.model_dump(), artifacts.POOL, *TABLES.values()]
    made = shards.run(indexing, [*TABLES, *stretches], "metabolize/index", inputs, "index rows")
    views = {
        name: {view: artifacts.load_array(made[name] / f"{view}.npy") for view in ("sentence", "image")}
        for name in TABLES
    }
    raw = {
        view: np.asarray(artifacts.load_array(artifacts.EMBEDDINGS / f"{view}.npy")) for view in ("sentence", "image")
    }
    joined = {
        view: np.concatenate([raw[view], views["reserve"][view]]) if reserve.num_rows else raw[view] for view in raw
    }
    names = ("hash", "thumbnail", "file", "n_images")
    hashes, thumbnails, file, n_images = (
        np.concatenate([artifacts.load_array(made[key] / f"{name}.npy") for key in stretches]) for name in names
    )
    picture, files = shown_pictures(hashes, thumbnails, file, n_images, params.clean.duplicates)
    own = {f"probe_{view}": np.asarray(array) for view, array in views["probe"].items()}
    return (
        Index(rows, pool.num_rows, joined["sentence"], joined["image"], picture, files, **own),
        probe,
        subtasks,
        [known[name]["target"] for name in subtasks],
    )
