"""Read and write benchmarks in the hub's layout: a folder per data set, parquet files per config and split, a card."""

from __future__ import annotations

import itertools
import os
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import datasets
import pyarrow as pa
import yaml

from cadc.artifacts import write_table, write_text
from cadc.config.errors import InputError
from cadc.data.shards import check_shards
from cadc.data.split_names import Splits, by_name
from cadc.data.tables import rows_of

OPTIONS = tuple("ABCDEFGHI")
_TEXT = "string"

#: Columns that lmms-eval's tasks read, with their types.
MMT_COLUMNS = {"index": "int32", "question": _TEXT, **dict.fromkeys(OPTIONS, _TEXT), "answer": _TEXT, "category": _TEXT,
               "l2-category": _TEXT, "split": _TEXT, "image": "image"}  # fmt: skip
POPE_COLUMNS = {
    **dict.fromkeys(("id", "question_id", "question", "answer", "image_source", "category"), _TEXT),
    "image": "image",
}

_HEAD = re.compile(r"\s*---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)  # front matter of a card


def front_matter(folder: Path) -> dict:
    """The front matter of the folder's card; empty if there is no card, or if it can't be parsed."""
    try:
        head = _HEAD.match((folder / "README.md").read_bytes().decode("utf-8-sig", errors="replace"))
        said = yaml.safe_load(head[1]) if head else {}
    except (OSError, yaml.YAMLError):
        return {}
    return said if isinstance(said, dict) else {}


def _rules(folder: Path) -> list[tuple[str, str | None, tuple[str, ...]]]:
    """(config, split, path pattern in parts) for each rule in the front matter of the folder's card; [] if there is no
    card or it lists no files. Split None: taken from the file names.

    Raises InputError if the card's list of files can't be parsed.
    """
    card = folder / "README.md"
    try:
        text = card.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError:
        return []
    head = _HEAD.match(text)
    if not re.search(r"^configs[ \t]*:", head[1] if head else text if text.startswith("---") else "", re.MULTILINE):
        return []
    try:
        return [rule for config in yaml.safe_load(head[1])["configs"] for rule in _rules_of(config)]
    except (yaml.YAMLError, LookupError, TypeError, AttributeError, ValueError) as error:
        why = " ".join(str(error).split())[:200]
        raise InputError(
            f"{card}: can't read the files of each split from its front matter ({type(error).__name__}: {why}); "
            "repair its `configs`, or remove it to take the splits from the file names"
        ) from None


def _rules_of(config: dict) -> Iterator[tuple[str, str | None, tuple[str, ...]]]:
    name, base = str(config.get("config_name", "default")), str(config.get("data_dir") or "")
    files = config.get("data_files", {"split": None, "path": "**"})
    for part in files if isinstance(files, list) else [files]:
        split, paths = (part["split"], part["path"]) if isinstance(part, dict) else ("train", part)
        for path in paths if isinstance(paths, list) else [paths]:
            pattern = PurePosixPath(posixpath.normpath(posixpath.join(base, path))).parts
            if pattern[:1] in (("/",), ("..",)) or "://" in path:
                raise ValueError(f"{path} is no file of the folder")
            yield name, None if split is None else str(split), pattern


def fits(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether the parts of a path match those of a pattern; `**` matches any number of folders."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(fits(parts[i:], pattern[1:]) for i in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and fits(parts[1:], pattern[1:])


def by_card(folder: Path, files: list[Path]) -> Splits:
    """The files under `folder` listed by its card, or by the card of a parent folder; empty if there is no card.

    Raises InputError if the card can't be parsed.
    """
    whole = Path(os.path.abspath(folder))
    for place in (whole, *whole.parents[:2]):  # a data set's folders are its configs and their splits
        splits: dict[tuple[str, str], set[Path]] = defaultdict(set)
        inside = {file: (whole.relative_to(place) / file.relative_to(folder)).parts for file in files}
        for config, split, pattern in _rules(place):
            named = [file for file in files if fits(inside[file], pattern)]
            said = {(config, split): named} if split and named else by_name(folder, named)
            for (_, word), part in said.items():
                splits[config, word].update(part)
        if splits:
            return {key: sorted(part) for key, part in splits.items()}
    return {}


def _is_seen(name: str) -> bool:
    return not name.startswith((".", "__"))


def parquet_files(folder: Path) -> list[Path]:
    """The parquet files under a folder, sorted, following links. Hidden files and folders are skipped."""
    found = []
    for place, folders, names in os.walk(folder, followlinks=True):
        here = Path(place)
        around = {os.path.realpath(each) for each in (here, *here.parents)}  # a link to one of these makes a cycle
        folders[:] = [name for name in folders if _is_seen(name) and os.path.realpath(here / name) not in around]
        found += [here / name for name in names if _is_seen(name) and name.lower().endswith(".parquet")]
    return sorted(found)


def parquet_splits(folder: Path) -> Splits:
    """The parquet files under a folder by (config, split), sorted; from its card, or else from the file names.

    Files that the card leaves out are not included. Raises InputError if shards of a split are missing, or if the card
    can't be parsed or matches no file.
    """
    files = parquet_files(folder)
    splits = by_card(folder, files)
    if files and not splits and _rules(folder):
        raise InputError(
            f"{folder}: its README.md lists none of the {len(files)} parquet files there, such as "
            f"{files[0].relative_to(folder)}; fetch the data set again, or set data.annotations to the files of one "
            "split"
        )
    splits = splits or by_name(folder, files)
    for named in splits.values():
        check_shards(named)
    return splits


def split_files(folder: Path, config: str | None, split: str) -> list[Path]:
    """The parquet files of one split, of `config` or the default config; [] if there is none."""
    splits = parquet_splits(folder)
    return splits.get(split_of(splits, config, split), [])


def split_of(splits: Splits, config: str | None, split: str) -> tuple[str, str]:
    """The key of a split in `splits`. Without a config, the only one or else `default` is used, as `datasets` does."""
    if config is None:
        configs = sorted({name for name, _ in splits})
        config = configs[0] if len(configs) == 1 else "default"
    return config, split


def _picture_columns(schema: pa.Schema) -> list[str]:
    """Columns that hold images: {bytes, path}, or lists of them."""

    def holds(kind: pa.DataType) -> bool:
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return holds(kind.value_type)
        return pa.types.is_struct(kind) and {"bytes", "path"} <= {kind.field(i).name for i in range(kind.num_fields)}

    return [field.name for field in schema if holds(field.type)]


def pictures_in(files: list[Path], name: str | None = None) -> Iterator[tuple[str, dict]]:
    """Each image in the rows of parquet files as (where, cell {bytes, path}). `where` is the row's value in column
    `name`, or else its file and row number. Raises PoolError if a file can't be read.
    """

    def wanted(schema: pa.Schema) -> list[str]:
        return [*_picture_columns(schema), *([name] if name else [])]

    for file in files:
        for number, record in enumerate(rows_of(file, wanted)):
            where = str(record[name]) if name else f"{file}, row {number}"
            cells = [cell for column, cell in record.items() if column != name]
            for image in itertools.chain(*(cell if isinstance(cell, list) else [cell] for cell in cells)):
                if image is not None:
                    yield where, image


def write_split(folder: Path, config: str, split: str, rows: list[dict], columns: dict[str, str]) -> None:
    """Write one parquet file for a split, with the features that `datasets` reads from its metadata."""
    features = datasets.Features(
        {name: datasets.Image() if kind == "image" else datasets.Value(kind) for name, kind in columns.items()}
    )
    path = folder / (config if config != "default" else "data") / f"{split}-00000-of-00001.parquet"
    write_table(path, pa.Table.from_pylist(rows, schema=features.arrow_schema))


def write_card(folder: Path, configs: dict[str, list[str]]) -> None:
    """Write the README.md with the front matter that tells `datasets` the files of each config and split."""
    lines = ["---", "configs:"]
    for config, splits in configs.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        place = config if config != "default" else "data"
        for split in splits:
            lines += [f"  - split: {split}", f"    path: {place}/{split}-*"]
    write_text(folder / "README.md", "\n".join([*lines, "---", ""]))
