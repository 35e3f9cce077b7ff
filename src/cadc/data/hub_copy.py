"""Copy the requested splits of benchmarks in the Hugging Face Hub's layout, with a matching dataset card."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from glob import escape
from pathlib import Path

import yaml

from cadc.artifacts import write_text
from cadc.compute import console
from cadc.config.errors import InputError
from cadc.data.hub_layout import front_matter, parquet_splits, split_of
from cadc.data.shards import gaps

Asked = tuple[str | None, str]  # (config or None for the default one, split)


def copy_data_sets(
    mirror: Path, root: Path, repositories: list[str], asked: Mapping[str, Sequence[Asked]] | None = None
) -> list[str]:
    """Copy data sets (`ORG/NAME`) from a mirror in the hub's layout to `root`, unless they are already there.

    `asked`: the wanted splits of each data set; a data set is copied whole without it, or if a split is missing.
    Returns the names that were copied. Raises InputError listing every data set missing in the mirror and the command
    that fetches it.
    """
    wanted = [name for name in repositories if not (root / name).exists()]
    lacking = [name for name in wanted if not (mirror / name).is_dir()]
    if lacking:
        fetch = "\n".join(f"    hf download --repo-type dataset {name} --local-dir {mirror / name}" for name in lacking)
        raise InputError(
            f"{mirror} lacks {len(lacking)} data set(s); fetch them, or ask for fewer benchmarks:\n{fetch}"
        )
    for name in wanted:
        files = _files(mirror / name, asked[name]) if asked else {}
        if all(files.values()) and files:
            _copy_splits(mirror / name, root / name, files)
        else:  # `hf download` leaves bookkeeping files that differ between downloads
            left = shutil.ignore_patterns(".cache", ".git", ".gitattributes")
            shutil.copytree(mirror / name, root / name, ignore=left)
        for gap in (gap for own in parquet_splits(root / name).values() for gap in gaps(own)):
            console.line(gap)
    return wanted


def _files(folder: Path, asked: Sequence[Asked]) -> dict[tuple[str, str], list[Path]]:
    """The parquet files of each requested split by (config, split); an empty list if the split is missing."""
    splits = parquet_splits(folder)
    keys = {split_of(splits, *one) for one in asked}
    return {key: splits.get(key, []) for key in sorted(keys)}


def _copy_splits(folder: Path, to: Path, files: dict[tuple[str, str], list[Path]]) -> None:
    """Copy these files to the same relative paths, with a card that keeps the column descriptions and lists only these
    files."""
    head, configs = front_matter(folder), {}
    listed = head.get("configs")
    of_card = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    stated = {str(one.get("config_name", "default")): one for one in of_card}
    for (config, split), paths in files.items():
        known = {key: value for key, value in stated.get(config, {}).items() if key not in ("data_dir", "data_files")}
        own = configs.setdefault(config, {**known, "config_name": config, "data_files": []})
        places = [path.relative_to(folder) for path in paths]
        own["data_files"].append({"split": split, "path": [escape(place.as_posix()) for place in places]})
        for path, place in zip(paths, places, strict=True):
            (to / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to / place)
    card = yaml.safe_dump({**head, "configs": list(configs.values())}, sort_keys=False, allow_unicode=True)
    write_text(to / "README.md", f"---\n{card}---\n")
