"""Benchmarks on disk in the hub's layout: one folder a data set, parquet files by config and split, and a card."""

from __future__ import annotations

import shutil
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from cadc.config.errors import InputError

OPTIONS = tuple("ABCDEFGHI")
_TEXT = "string"

#: What lmms-eval's tasks read: column -> type.
MMT_COLUMNS = {"index": "int32", "question": _TEXT, **dict.fromkeys(OPTIONS, _TEXT), "answer": _TEXT, "category": _TEXT,
               "l2-category": _TEXT, "split": _TEXT, "image": "image"}  # fmt: skip
POPE_COLUMNS = {
    **dict.fromkeys(("id", "question_id", "question", "answer", "image_source", "category"), _TEXT),
    "image": "image",
}


def write_split(folder: Path, config: str, split: str, rows: list[dict], columns: dict[str, str]) -> None:
    """One parquet file of one split, with the features that `datasets` reads from its metadata."""
    features = datasets.Features(
        {name: datasets.Image() if kind == "image" else datasets.Value(kind) for name, kind in columns.items()}
    )
    path = folder / (config if config != "default" else "data") / f"{split}-00000-of-00001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=features.arrow_schema), path)


def write_card(folder: Path, configs: dict[str, list[str]]) -> None:
    """The README in whose front matter `datasets` finds the files of each config and split."""
    lines = ["---", "configs:"]
    for config, splits in configs.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        place = config if config != "default" else "data"
        for split in splits:
            lines += [f"  - split: {split}", f"    path: {place}/{split}-*"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))


def copy_data_sets(mirror: Path, root: Path, repositories: list[str]) -> None:
    """Copy data sets (`ORG/NAME`) of a mirror in the hub's layout to `root`, but for those that are there already.

    Raises InputError naming all that the mirror lacks, and how each is fetched.
    """
    wanted = [name for name in repositories if not (root / name).exists()]
    lacking = [name for name in wanted if not (mirror / name).is_dir()]
    if lacking:
        fetch = "\n".join(f"    hf download --repo-type dataset {name} --local-dir {mirror / name}" for name in lacking)
        raise InputError(
            f"{mirror} lacks {len(lacking)} data set(s); fetch them, or ask for fewer benchmarks:\n{fetch}"
        )
    for name in wanted:
        # what `hf download` leaves beside the files differs from one download to the next
        shutil.copytree(mirror / name, root / name, ignore=shutil.ignore_patterns(".cache", ".git", ".gitattributes"))
