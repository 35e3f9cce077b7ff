"""Outputs of `cadc curate`: a training file and the files next to it, checked before anything runs.

A training file is written completely or not at all, and never without its manifest, which marks it as ours.
"""

from __future__ import annotations

import filecmp
import json
import shutil
import tempfile
from pathlib import Path

from cadc.artifacts import read_json, whole, write_json
from cadc.cli.selections import load_manifest
from cadc.config.errors import InputError

#: The file of each format in an export. --out must have the same extension, because trainers tell formats by it.
FILES = {
    "llava": "llava.json",
    "ids": "ids.txt",
    "llama_factory": "llama_factory/data.json",
    "ms_swift": "ms_swift.jsonl",
    "trl": "trl.parquet",
    "axolotl": "axolotl.jsonl",
}
_NO_PATHS = ("ids", "trl")  # formats without image paths
_OTHER_NAME = "give --out another name"


def beside(out: Path, kind: str) -> Path:
    """The companion file (`manifest.json`, `why.parquet`) of a training file."""
    return out.with_suffix(f".{kind}")


def check(out: Path, form: str, read: set[Path], work: Path) -> None:
    """Raise InputError if a training file of the format `form` can't or should not be written to `out`.

    read: resolved paths of the input files. work: the project folder, where no output may go.
    """
    try:
        _check(out, form, read, work)
    except OSError as error:
        raise InputError(f"--out {out}: can't write there ({error.strerror})") from None
    if form == "llama_factory":
        _entries(out)


def _check(out: Path, form: str, read: set[Path], work: Path) -> None:
    if out.is_dir():
        raise InputError(f"--out {out}: a folder; add a file name")
    ending = Path(FILES[form]).suffix
    if out.suffix.lower() != ending:
        raise InputError(f"--out {out}: --format {form} needs the extension {ending}; give --out {out}{ending}")
    for path in (out, beside(out, "manifest.json"), beside(out, "why.parquet")):
        if path.resolve() in read:
            raise InputError(f"--out {out}: {path} would overwrite an input file; {_OTHER_NAME}")
        if path.is_dir():
            raise InputError(f"--out {out}: {path} is a folder; {_OTHER_NAME}")
    if work.resolve() in out.resolve().parents:
        raise InputError(f"--out {out}: inside the project folder {work}, which each call rebuilds; give another place")
    for path in (out, beside(out, "manifest.json"), beside(out, "why.parquet")):
        if path.exists() and not _is_ours(out):
            raise InputError(f"--out {out}: {path} was not written by `cadc curate`; remove it, or {_OTHER_NAME}")
    folder = next(path for path in out.resolve().parents if path.exists())
    tempfile.TemporaryFile(dir=folder).close()


def _is_ours(out: Path) -> bool:
    """Whether a manifest of ours stands next to a training file."""
    try:
        return bool(load_manifest(out))
    except InputError:
        return False


def _entries(out: Path) -> dict:
    """The entries of dataset_info.json next to a training file. Raises InputError if it can't be read, or if it has an
    entry of the same name for another file."""
    path = out.with_name("dataset_info.json")
    if out == path:
        raise InputError(f"--out {out}: this name is reserved for LLaMA-Factory's list of data sets; {_OTHER_NAME}")
    try:
        there = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: can't be read ({error}); repair or remove it") from None
    if not isinstance(there, dict) or not all(isinstance(entry, dict) for entry in there.values()):
        raise InputError(f"{path}: is not a JSON object of objects; repair or remove it")
    if out.stem in there and there[out.stem].get("file_name") != out.name:
        raise InputError(f"--out {out}: {path} already has another data set named {out.stem}; {_OTHER_NAME}")
    return there


def deliver(export: Path, out: Path, form: str, stamp: dict[str, str]) -> dict:
    """Copy an export to `out`; returns its manifest, to which `stamp` is added.

    Raises InputError if it would overwrite other images or the reasons of another selection, or if absolute paths would
    point to images inside the export.
    """
    made, pictures = read_json(export / "manifest.json"), []
    if form not in _NO_PATHS and (export / "images").is_dir():
        pictures = sorted(path for path in (export / "images").rglob("*") if path.is_file())
    if pictures and made["images"]["paths"] == "absolute":
        raise InputError(
            f"--paths absolute: {len(pictures)} images come from a table and have no file of their own; give --paths "
            "relative, or copied if other images are files: they are then written next to --out"
        )
    to = {path: out.parent / path.relative_to(export) for path in pictures}
    for path, copy in to.items():
        if copy.exists() and not (copy.is_file() and filecmp.cmp(path, copy, shallow=False)):
            raise InputError(f"{copy}: exists and is a different image; give --out its own folder")
    made |= {"files": _files(export, out, made)} | stamp
    for path, copy in to.items():
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            _copy_whole(path, copy)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(beside(out, "manifest.json"), made)
    _copy_whole(export / "why.parquet", beside(out, "why.parquet"))
    _copy_whole(export / FILES[form], out)
    if form == "llama_factory":
        (entry,) = read_json(export / "llama_factory/dataset_info.json").values()
        there = _entries(out)  # other entries are kept
        write_json(out.with_name("dataset_info.json"), there | {out.stem: {**entry, "file_name": out.name}})
    return made


def _files(export: Path, out: Path, made: dict) -> list[str]:
    """Training files that share the manifest of `out`: this one, and the same selection in other formats. Raises
    InputError if such a file belongs to another selection."""
    manifest, why = beside(out, "manifest.json"), beside(out, "why.parquet")
    before = read_json(manifest) if manifest.is_file() else {}
    others = [name for name in before.get("files", []) if name != out.name and out.with_name(name).is_file()]
    same = why.is_file() and filecmp.cmp(export / "why.parquet", why, shallow=False)
    if others and not (same and all(before.get(key) == made[key] for key in ("arm", "pool", "seed", "parameters"))):
        raise InputError(
            f"--out {out}: {why} explains the rows of {others[0]}, a different selection; {_OTHER_NAME}, or "
            f"remove {out.with_name(others[0])}"
        )
    return sorted([*others, out.name])


def _copy_whole(source: Path, to: Path) -> None:
    with whole(to.resolve()) as part:  # a link stays a link
        shutil.copyfile(source, part)
