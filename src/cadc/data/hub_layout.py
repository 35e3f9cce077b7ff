"""Benchmarks on disk in the hub's layout: one folder a data set, parquet files by config and split, and a card."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
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


def read_split(
    folder: Path, config: str | None, split: str, cache: str, streaming: bool = False
) -> datasets.Dataset | datasets.IterableDataset:
    """The rows of one split of a data set in the hub's layout, and of no other.

    `streaming`: as they are asked for, without a copy in the folder `cache`. Raises InputError where they can't be read.
    """
    try:
        builder = datasets.load_dataset_builder(str(folder.resolve()), config, cache_dir=cache)
        files = {str(split): list(paths) for split, paths in (builder.config.data_files or {}).items()}
        if split not in files:
            raise ValueError(f"there are the splits {', '.join(sorted(files)) or 'none'}")
        return datasets.load_dataset(
            builder.name,
            data_files={split: files[split]},
            split=split,
            features=builder.info.features,
            cache_dir=cache,
            streaming=streaming,
        )
    except Exception as error:  # datasets raises errors of ten kinds for an incomplete folder
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{place_of(folder, config, split)}: can't be read ({said})") from error


def place_of(folder: Path, config: str | None, split: str) -> str:
    """A split's name in messages."""
    return f"{folder}, config {config or 'default'}, split {split}"


def decode_as(rows: datasets.Dataset | datasets.IterableDataset, kind: datasets.Image) -> None:
    """Let every picture of the rows, alone or in a list, be decoded as `kind` does; no data are copied."""
    features = rows.info.features
    for name in picture_columns(rows):
        features[name] = type(features[name])(kind) if hasattr(features[name], "feature") else kind


def picture_columns(rows: datasets.Dataset | datasets.IterableDataset) -> list[str]:
    """The columns that hold a picture, or a list of them."""
    kinds = rows.features.items()
    return [name for name, kind in kinds if isinstance(getattr(kind, "feature", kind), datasets.Image)]


def pictures_of(folder: Path, config: str | None, split: str) -> Iterator[tuple[str, dict]]:
    """Every picture of a split as (where it is, cell {bytes, path}). Raises InputError as `read_split` does."""
    with tempfile.TemporaryDirectory(prefix="cadc-datasets-") as cache:
        rows = read_split(folder, config, split, cache, streaming=True)
        rows = rows.select_columns(picture_columns(rows))
        decode_as(rows, datasets.Image(decode=False))
        for number, row in enumerate(rows):
            for column, shown in row.items():
                for image in shown if isinstance(shown, list) else [shown]:
                    if image is not None:
                        yield f"{place_of(folder, config, split)}, row {number}, column {column}", image


def copy_data_sets(mirror: Path, root: Path, repositories: list[str]) -> list[str]:
    """Copy data sets (`ORG/NAME`) of a mirror in the hub's layout to `root`, but for those that are there already.

    Returns those that it copied.
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
    return wanted
