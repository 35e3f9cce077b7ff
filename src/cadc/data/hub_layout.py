"""Benchmarks on disk in the hub's layout: one folder a data set, parquet files by config and split, and a card."""

from __future__ import annotations

import itertools
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from cadc.config.errors import InputError
from cadc.data.reasons import some

OPTIONS = tuple("ABCDEFGHI")
_TEXT = "string"
_BATCH = 256  # rows read at a time: they hold pictures

#: What lmms-eval's tasks read: column -> type.
MMT_COLUMNS = {"index": "int32", "question": _TEXT, **dict.fromkeys(OPTIONS, _TEXT), "answer": _TEXT, "category": _TEXT,
               "l2-category": _TEXT, "split": _TEXT, "image": "image"}  # fmt: skip
POPE_COLUMNS = {
    **dict.fromkeys(("id", "question_id", "question", "answer", "image_source", "category"), _TEXT),
    "image": "image",
}

_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(?:-[0-9a-f]+)?\.parquet")
#: The words by which `datasets` knows a split in a file's or folder's name.
_SPLIT = re.compile(
    r"(?:^|[^a-z0-9])(?:(train|training)|(validation|valid|val|dev)|(test|testing|eval|evaluation))(?=$|[^a-z])"
)


def _of_card(folder: Path) -> list[tuple[str, str, str]]:
    """(config, split, pattern of files) as the card's front matter names them; none where it names none."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8-sig")
        configs = yaml.safe_load(text.split("---")[1])["configs"] if text.startswith("---") else []
        found = []
        for config in configs:
            files = config["data_files"]
            for part in files if isinstance(files, list) else [files]:
                split, paths = (part["split"], part["path"]) if isinstance(part, dict) else ("train", part)
                found += [
                    (config["config_name"], split, path) for path in (paths if isinstance(paths, list) else [paths])
                ]
        return found
    except (OSError, UnicodeDecodeError, yaml.YAMLError, LookupError, TypeError):
        return []


def _of_name(file: Path) -> tuple[str, str]:
    """Config and split of a parquet file, by its path in the data set's folder, where the card doesn't name it."""
    shard, parents = shard_of(file), file.parts[:-1]
    word = _SPLIT.search("/".join(file.with_suffix("").parts).lower())
    split = shard[0] if shard else ("train", "validation", "test")[word.lastindex - 1] if word else "train"
    named = bool(shard) or word is not None
    config = "/".join(part for part in parents if part != "data" and not _SPLIT.search(part.lower())) if named else ""
    return config or "default", split


def parquet_splits(folder: Path) -> dict[tuple[str, str], list[Path]]:
    """The parquet files under a folder by (config, split), as its card or else their names say, sorted.

    Hidden files and folders are none of it. Raises InputError where shards of a split are missing.
    """
    card, splits = _of_card(folder), defaultdict(list)
    for file in sorted(folder.rglob("*.parquet")):
        path = file.relative_to(folder)
        if any(part.startswith((".", "__")) for part in path.parts):
            continue
        name = path.as_posix()
        named = [(config, split) for config, split, pattern in card if fnmatchcase(name, pattern.replace("**/", "*"))]
        for key in dict.fromkeys(named or [_of_name(path)]):
            splits[key].append(file)
    for files in splits.values():
        check_shards(files)
    return dict(splits)


def shard_of(file: Path) -> tuple[str, int, int] | None:
    """(prefix, number, of how many) where the file is named as a shard."""
    match = _SHARD.fullmatch(file.name)
    return (match[1], int(match[2]), int(match[3])) if match else None


def check_shards(files: list[Path]) -> None:
    """Raise InputError where some of the shards among `files` are missing, or are there twice."""
    of = defaultdict(set)
    for file in files:
        if shard := shard_of(file):
            of[file.parent, shard[0], shard[2]].add(shard[1])
    for (parent, prefix, n), there in of.items():
        lacking = [f"{prefix}-{i:05d}-of-{n:05d}" for i in range(n) if i not in there]
        if lacking:
            raise InputError(
                f"{parent}: {some(lacking)} {'is' if len(lacking) == 1 else 'are'} missing, {len(lacking)} of {n} files; "
                "fetch it again"
            )
    totals = defaultdict(set)
    for parent, prefix, n in of:
        totals[parent, prefix].add(n)
    for (parent, prefix), numbers in totals.items():
        if len(numbers) > 1:
            raise InputError(
                f"{parent}: {prefix} is there in {' and in '.join(map(str, sorted(numbers)))} files: two downloads; "
                "remove the old one"
            )


def split_files(folder: Path, config: str | None, split: str) -> list[Path]:
    """The parquet files of one split, of `config` or the default one; none where it is not there."""
    splits = parquet_splits(folder)
    if config is None:  # as `datasets` chooses: the default, or the only one
        configs = sorted({name for name, _ in splits})
        config = configs[0] if len(configs) == 1 else "default"
    return splits.get((config, split), [])


def _picture_columns(schema: pa.Schema) -> list[str]:
    """Columns of pictures: {bytes, path}, or lists of them."""

    def holds(kind: pa.DataType) -> bool:
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return holds(kind.value_type)
        return pa.types.is_struct(kind) and {"bytes", "path"} <= {kind.field(i).name for i in range(kind.num_fields)}

    return [field.name for field in schema if holds(field.type)]


def pictures_in(files: list[Path], name: str | None = None) -> Iterator[tuple[str, dict]]:
    """Each picture of the rows of parquet files, a cell {bytes, path}, with what its row has in column `name`, or else
    with its file and the number of its row."""
    for file in files:
        with pq.ParquetFile(file) as opened:
            columns, numbers = _picture_columns(opened.schema_arrow), itertools.count()
            wanted = [*columns, *([name] if name else [])]
            for batch in opened.iter_batches(_BATCH, columns=wanted) if columns else ():
                for record, number in zip(batch.to_pylist(), numbers):
                    where = str(record[name]) if name else f"{file}, row {number}"
                    cells = [record[column] for column in columns]
                    for image in itertools.chain(*(cell if isinstance(cell, list) else [cell] for cell in cells)):
                        if image is not None:
                            yield where, image


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
