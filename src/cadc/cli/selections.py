"""`cadc compare` and `cadc explain`: what was chosen, and why, out of the files beside a training file."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from cadc.artifacts import read_json
from cadc.config.errors import InputError

_SHOWN = 10  # ids


def load_why(file: Path) -> list[dict]:
    """The rows of the `why` beside a training file. Raises InputError where there is none."""
    path = file.with_suffix(".why.parquet")
    if not path.is_file():
        raise InputError(f"{path}: no such file; give what `cadc curate --out` wrote")
    return pq.read_table(path).to_pylist()


def compare(first: Path, second: Path) -> None:
    """Print how many rows two selections share, and which only one has."""
    chosen = {file: {row["id"]: row for row in load_why(file) if row["chosen"]} for file in (first, second)}
    pools = {read_json(file.with_suffix(".manifest.json"))["pool"]["sha256"] for file in (first, second)}
    if len(pools) > 1:
        print("The two were chosen from different pools: ids may stand for different rows.")
    print(f"in both: {len(chosen[first].keys() & chosen[second].keys())} rows")
    for file, other in ((first, second), (second, first)):
        alone = [row for name, row in chosen[file].items() if name not in chosen[other]]
        alone.sort(key=lambda row: row["rank"])
        named = ", ".join(row["id"] for row in alone[:_SHOWN])
        print(
            f"only in {file}: {len(alone)} rows{': ' if alone else ''}{named}{', ...' if len(alone) > _SHOWN else ''}"
        )


def explain(name: str, files: list[Path]) -> None:
    """Print why a row is in each of the selections, or how near it was. Raises InputError where none knows it."""
    for file in files:
        found = next((row for row in load_why(file) if row["id"] == name), None)
        if found is None:
            print(f"{file}: row {name} is not chosen, nor among the next rows")
            continue
        place = (
            f"chosen, place {found['rank']} in training" if found["chosen"] else "not chosen, but among the next rows"
        )
        print(f"{file}: row {name} is {place}")
        for key, value in found.items():
            if key not in ("row", "id", "chosen", "rank") and value is not None:
                print(f"  {key}: {value:.4g}" if isinstance(value, float) else f"  {key}: {value}")
