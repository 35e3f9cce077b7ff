"""`cadc compare` and `cadc explain`: read selections and reasons from the files next to a training file."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cadc.config.errors import InputError

_SHOWN = 10  # ids printed
#: What is read of a `why` by name.
_WHY = {"id": pa.types.is_string, "chosen": pa.types.is_boolean, "rank": pa.types.is_integer}


def _unreadable(path: Path, error: Exception) -> InputError:
    said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return InputError(f"{path}: can't be read ({said}); have `cadc curate` write it again")


def load_why(file: Path) -> list[dict]:
    """Rows of the why.parquet next to a training file. Raises InputError if it is missing or can't be read."""
    path = file.with_suffix(".why.parquet")
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a file written by `cadc curate --out`")
    try:
        table = pq.read_table(path)
        for name, fits in _WHY.items():
            if not fits(table.schema.field(name).type):
                raise ValueError(f"its column {name} is of another type")
        if "capability" in table.column_names and pa.types.is_nested(table.schema.field("capability").type):
            raise ValueError("its column capability is of another type")
        rows = table.to_pylist()
        if any(row["id"] is None or (row["chosen"] and (row["rank"] is None or row["rank"] < 0)) for row in rows):
            raise ValueError("a row lacks its id, or a selected row its rank")
        return rows
    except (ValueError, KeyError, OSError) as error:  # pyarrow's are among them
        raise _unreadable(path, error) from None


def load_manifest(file: Path) -> dict:
    """The manifest next to a training file. Raises InputError if it is missing or can't be read."""
    path = file.with_suffix(".manifest.json")
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a file written by `cadc curate --out`")
    try:
        made = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(made["pool"]["sha256"], str) or not isinstance(made["method"], str):
            raise ValueError("pool.sha256 and method must be text")
        if not all(isinstance(n, int) for n in made["by_source"].values()):
            raise ValueError("by_source must be counts")
        return made
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _unreadable(path, error) from None


def turns_of(file: Path, name: str, rank: int) -> list[str]:
    """The turns of the row at position `rank` of a training file in LLaVA's format, one line each. Empty for other
    formats, or if another row than `name` is there now."""
    data = file.read_bytes() if file.is_file() else b""
    if not re.match(rb"\[\s*\{", data):  # another format
        return []
    try:
        records = json.loads(data)
        found = records[rank] if rank < len(records) else {}
        own = str(found.get("id"))
        same = name == own or name.startswith(f"{own}#")  # the pool numbers repeated ids: ID#2
        said = [f"{turn['from']}: {turn['value']}" for turn in found.get("conversations", [])] if same else []
        return [text.encode(errors="backslashreplace").decode() for text in said]  # an escape may be half a character
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _unreadable(file, error) from None


def compare(first: Path, second: Path) -> None:
    """Print the shared rows of two selections, the rows only in one, and counts by source and capability."""
    chosen = {file: {row["id"]: row for row in load_why(file) if row["chosen"]} for file in (first, second)}
    manifests = [load_manifest(file) for file in (first, second)]
    if len({made["pool"]["sha256"] for made in manifests}) > 1:
        print("The two files were selected from different pools, so the same id may mean different rows.")
    print(f"in both: {len(chosen[first].keys() & chosen[second].keys())} rows")
    for file, other in ((first, second), (second, first)):
        alone = [row for name, row in chosen[file].items() if name not in chosen[other]]
        alone.sort(key=lambda row: row["rank"])
        named = ", ".join(row["id"] for row in alone[:_SHOWN])
        print(
            f"only in {file}: {len(alone)} rows{': ' if alone else ''}{named}{', ...' if len(alone) > _SHOWN else ''}"
        )
    sources = [made["by_source"] for made in manifests]
    for source in sorted({*sources[0], *sources[1]}):
        print(f"source {source}: {sources[0].get(source, 0)} rows in {first}, {sources[1].get(source, 0)} in {second}")
    for file, rows in chosen.items():  # capabilities of two files are not comparable
        counts = Counter(row.get("capability") for row in rows.values())
        said = ", ".join(f"{counts[part]} of {part}" for part in sorted(counts.keys() - {None}))
        print(f"by capability in {file}: {said or 'unknown, because its method uses none'}")


def explain(name: str, files: list[Path]) -> None:
    """Print why a row is in each selection, or how close it was. Raises InputError if a why.parquet is missing."""
    for file in files:
        found = next((row for row in load_why(file) if row["id"] == name), None)
        if found is None:
            print(f"{file}: row {name} is neither selected nor among the next rows")
            continue
        place = (
            f"selected, position {found['rank']} in training"
            if found["chosen"]
            else "not selected, but among the next rows"
        )
        print(f"{file}: row {name} is {place}, by {load_manifest(file)['method']}")
        for turn in turns_of(file, name, found["rank"]) if found["chosen"] else ():
            print(f"  {turn}")
        for key, value in found.items():
            if key not in ("row", "id", "chosen", "rank") and value is not None:
                print(f"  {key}: {value:.4g}" if isinstance(value, float) else f"  {key}: {value}")
