"""Writers of damaged versions of the files that the project gives its users, and the readers of these files."""

from __future__ import annotations

import csv
import io
import random
from functools import cache
from pathlib import Path

import pyarrow as pa
from fuzzed_rows import change_a_file, records, table_of, text_of
from fuzzing import Make, Read
from mutating import of_bytes, of_value

from cadc.artifacts import write_table, write_text
from cadc.cli import outputs, selections
from cadc.compute import replies
from cadc.data.lineage import HEADER, apply_lineage, read_lineage
from cadc.data.reader import POOL_FEATURES


def lineage_file(rng: random.Random, folder: Path, outside: str) -> None:
    lines = [HEADER, ["r0", 1, "drop", "", "", "", "why"], ["r1#2", 1, "add", "r1", "", "", ""],
             ["2", 2, "rewrite", "", '["4"]', '["four"]', ""]]  # fmt: skip
    if rng.random() < 0.7:
        lines = of_value(rng, lines, outside)
    out = io.StringIO(newline="")
    for line in lines if isinstance(lines, list) else [lines]:
        line = line if isinstance(line, list) else [line]
        csv.writer(out, lineterminator="\n").writerow(
            ["9" * 5000 if isinstance(cell, int) and abs(cell) > 1e9 else cell for cell in line]
        )
    data = out.getvalue().encode(errors="surrogatepass")
    (folder / "lineage.csv").write_bytes(of_bytes(rng, data, [data]) if rng.random() < 0.5 else data)


@cache
def _pool() -> pa.Table:
    turns = [[{"role": "user", "text": "q"}, {"role": "assistant", "text": text}] for text in ("a", "b", "4")]
    rows = [
        {"id": name, "source": "s", "images": [], "turns": turn}
        for name, turn in zip(("r0", "r1", "2"), turns, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=POOL_FEATURES.arrow_schema)


def read_changes(folder: Path) -> None:
    apply_lineage(_pool(), _pool().slice(0, 0), read_lineage(folder / "lineage.csv"))


def why_file(rng: random.Random, folder: Path, outside: str) -> None:
    """What `cadc curate` writes next to a training file: damaged for s.json, intact for t.json."""
    for name, first in (("s", "r0"), ("t", "2")):
        manifest = {"method": "cadc", "pool": {"sha256": "x", "rows": 3}, "by_source": {"own": 1},
                    "files": [f"{name}.json"], "images": {"paths": "relative", "relative_to": "."}}  # fmt: skip
        why = [{"row": k, "id": row, "chosen": row == first, "rank": 0 if row == first else None, "stage": 0,
                "score": 0.5, "capability": 1, "nearest": "r0", "flags": ["x"]}
               for k, row in enumerate(("r0", "r1", "2"))]  # fmt: skip
        which = rng.randrange(4) if name == "s" else None
        write_text(folder / f"{name}.manifest.json", "")
        said = text_of(of_value(rng, manifest, outside) if which == 0 else manifest)
        (folder / f"{name}.manifest.json").write_bytes(said)
        write_table(folder / f"{name}.why.parquet", table_of(of_value(rng, why, outside) if which == 1 else why, rng))
        rows = records(rng)
        (folder / f"{name}.json").write_bytes(text_of(of_value(rng, rows, outside) if which == 2 else rows))
    (folder / "dataset_info.json").write_bytes(text_of(of_value(rng, {"s": {"file_name": "s.json"}}, outside)))
    if rng.random() < 0.4:
        change_a_file(rng, folder, outside)


def read_why(folder: Path) -> None:
    selections.compare(folder / "s.json", folder / "t.json")
    selections.explain("r0", [folder / "s.json"])
    outputs._entries(folder / "s.json")


def reply_file(rng: random.Random, folder: Path, outside: str) -> None:
    kept = {"model": "m", "prompt": "p", "reply": "r", **dict.fromkeys(replies.COUNTS, 1)}
    (folder / "ab").mkdir()
    data = text_of(of_value(rng, kept, outside))
    (folder / "ab/x.json").write_bytes(of_bytes(rng, data, [data]) if rng.random() < 0.5 else data)


def read_replies(folder: Path) -> None:
    for name, spent in replies.spent_so_far(folder).items():
        f"{name}: {replies.summary(spent)}".encode(errors="surrogatepass")


OUTPUTS: dict[str, tuple[Make, Read, int]] = {  # in the format of `fuzzed_rows.ROWS`
    "lineages": (lineage_file, read_changes, 500),
    "what curate wrote": (why_file, read_why, 400),
    "kept replies": (reply_file, read_replies, 200),
}
