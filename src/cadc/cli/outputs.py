"""What `cadc curate` writes: a training file and what lies beside it, looked at before anything runs.

A training file is there whole or not at all, and not without its manifest, by which it is known as ours.
"""

from __future__ import annotations

import filecmp
import json
import shutil
import tempfile
from pathlib import Path

from cadc.artifacts import read_json, whole, write_json
from cadc.config.errors import InputError

#: The file of each format in an export; --out ends as it does, for trainers tell by the ending what a file holds.
FILES = {
    "llava": "llava.json",
    "ids": "ids.txt",
    "llama_factory": "llama_factory/data.json",
    "ms_swift": "ms_swift.jsonl",
    "trl": "trl.parquet",
    "axolotl": "axolotl.jsonl",
}
_NO_PATHS = ("ids", "trl")  # formats that name no picture's file
_OTHER_NAME = "give --out another name"


def beside(out: Path, kind: str) -> Path:
    """The file of a kind (`manifest.json`, `why.parquet`) that lies beside a training file."""
    return out.with_suffix(f".{kind}")


def check(out: Path, form: str, read: set[Path], work: Path) -> None:
    """Raise InputError where a training file of the format `form` can't or should not be written to `out`.

    read: resolved paths of what is read. work: the project folder, no place for what shall last.
    """
    try:
        _check(out, form, read, work)
    except OSError as error:
        raise InputError(f"--out {out}: nothing can be written there ({error.strerror})") from None
    if form == "llama_factory":
        _entries(out)


def _check(out: Path, form: str, read: set[Path], work: Path) -> None:
    if out.is_dir():
        raise InputError(f"--out {out}: a folder; give the file's name, too")
    ending = Path(FILES[form]).suffix
    if out.suffix.lower() != ending:
        raise InputError(f"--out {out}: a file of --format {form} ends in {ending}; give --out {out}{ending}")
    for path in (out, beside(out, "manifest.json"), beside(out, "why.parquet")):
        if path.resolve() in read:
            raise InputError(f"--out {out}: {path} would be written over what is read; {_OTHER_NAME}")
        if path.is_dir():
            raise InputError(f"--out {out}: {path} is a folder; {_OTHER_NAME}")
    if work.resolve() in out.resolve().parents:
        raise InputError(f"--out {out}: inside the project folder {work}, which is laid out anew; give a place outside")
    if out.exists() and not beside(out, "manifest.json").is_file():
        raise InputError(f"--out {out}: is there, and nothing that `cadc curate` wrote; remove it, or {_OTHER_NAME}")
    folder = next(path for path in out.resolve().parents if path.exists())
    tempfile.TemporaryFile(dir=folder).close()


def _entries(out: Path) -> dict:
    """What the dataset_info.json beside a training file has. Raises InputError where it can't be read, or another file
    goes by this one's name in it."""
    path = out.with_name("dataset_info.json")
    if out == path:
        raise InputError(f"--out {out}: the list of LLaMA-Factory's data sets goes there; {_OTHER_NAME}")
    try:
        there = json.loads(path.read_text()) if path.is_file() else {}
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: can't be read ({error}); mend or remove it") from None
    if not isinstance(there, dict) or not all(isinstance(entry, dict) for entry in there.values()):
        raise InputError(f"{path}: holds no JSON object of objects; mend or remove it")
    if out.stem in there and there[out.stem].get("file_name") != out.name:
        raise InputError(f"--out {out}: {path} has another data set that is called {out.stem}; {_OTHER_NAME}")
    return there


def deliver(export: Path, out: Path, form: str, stamp: dict[str, str]) -> dict:
    """Copy an export out; its manifest with `stamp`, what else is known of it.

    Raises InputError where it would replace other pictures, what is said of a file of another selection, or where
    absolute paths would be of pictures in the export.
    """
    made, pictures = read_json(export / "manifest.json"), []
    if form not in _NO_PATHS and (export / "images").is_dir():
        pictures = sorted(path for path in (export / "images").rglob("*") if path.is_file())
    if pictures and made["images"]["paths"] == "absolute":
        raise InputError(
            f"--paths absolute: {len(pictures)} pictures are no files of yours, but lie inside a table; give --paths "
            "relative or, where others are files, copied: they are then written beside --out"
        )
    to = {path: out.parent / path.relative_to(export) for path in pictures}
    for path, copy in to.items():
        if copy.exists() and not (copy.is_file() and filecmp.cmp(path, copy, shallow=False)):
            raise InputError(f"{copy}: is there, and another picture; give --out a folder of its own")
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
        there = _entries(out)  # others' entries stay
        write_json(out.with_name("dataset_info.json"), there | {out.stem: {**entry, "file_name": out.name}})
    return made


def _files(export: Path, out: Path, made: dict) -> list[str]:
    """The training files that the manifest beside `out` is of: this one, and those of the same selection in other
    formats. Raises InputError where such a file is there of another selection."""
    manifest, why = beside(out, "manifest.json"), beside(out, "why.parquet")
    before = read_json(manifest) if manifest.is_file() else {}
    others = [name for name in before.get("files", []) if name != out.name and out.with_name(name).is_file()]
    same = why.is_file() and filecmp.cmp(export / "why.parquet", why, shallow=False)
    if others and not (same and all(before.get(key) == made[key] for key in ("arm", "pool", "seed", "parameters"))):
        raise InputError(
            f"--out {out}: {why} says why the rows of {others[0]} were chosen, and these are others; {_OTHER_NAME}, or "
            f"remove {out.with_name(others[0])}"
        )
    return sorted([*others, out.name])


def _copy_whole(source: Path, to: Path) -> None:
    with whole(to.resolve()) as part:  # a link stays one
        shutil.copyfile(source, part)
