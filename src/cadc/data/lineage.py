"""Lineage: the changes that turned one version of a pool into the next, row by row.

A version is a pure function of the raw pool, the reserve and a lineage file. Version 0 is the raw pool. Each line
changes one row and names the version that the change belongs to:

    row        id of the row that is changed or added
    version    the version that the change produces, starting at 1
    action     drop | add | rewrite
    source     added rows: id of the row to copy, from the reserve or (a further copy) from the previous version
    before     rewritten rows: the old answers, a JSON list
    after      rewritten rows: the new answers
    reason     why, for people
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa

from cadc.artifacts import whole
from cadc.data.checks import check_text, fail, shown
from cadc.data.reader import PoolError

Action = Literal["drop", "add", "rewrite"]
_VERSION = b"pool_version"  # in the table's metadata, so that no change is applied twice


@dataclass(frozen=True)
class Change:
    """One line of a lineage file."""

    row: str
    version: int
    action: Action
    source: str = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    reason: str = ""


HEADER = [field.name for field in fields(Change)]


def version_of(table: pa.Table) -> int:
    """The version of a pool table; 0 if no lineage was applied to it."""
    return int((table.schema.metadata or {}).get(_VERSION, 0))


def answers_of(turns: list[dict[str, str]]) -> tuple[str, ...]:
    """A row's answers, turn by turn."""
    return tuple(turn["text"] for turn in turns if turn["role"] == "assistant")


def write_lineage(path: Path, changes: list[Change]) -> None:
    """Write a lineage file, changes in the order given."""
    with whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for change in changes:
            texts = {
                name: json.dumps(value, ensure_ascii=False) if value else ""
                for name, value in (("before", change.before), ("after", change.after))
            }
            writer.writerow((asdict(change) | texts).values())


def read_lineage(path: Path) -> list[Change]:
    """The changes of a lineage file, sorted by version. Raises PoolError naming file, line and value of a fault."""
    if not path.is_file():
        raise PoolError(
            f"{path}: no such file; set pool.lineage to a lineage file (`make metabolism` writes one), "
            "or to null for the raw pool"
        )
    changes = []
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PoolError(f"{path}: not UTF-8 at byte {error.start}; re-save the file as UTF-8") from None
    lines = csv.DictReader(io.StringIO(text, newline=""))
    if lines.fieldnames != HEADER:
        raise PoolError(f"{path}: its columns are {shown(lines.fieldnames)}; a lineage file has {', '.join(HEADER)}")
    for number, line in enumerate(lines, 2):
        try:
            changes.append(_change(line))
        except (ValueError, TypeError) as error:
            raise PoolError(
                f"{path}, line {number}, row {shown(line['row'])}: {error}; repair or remove the line"
            ) from None
    return sorted(changes, key=lambda change: change.version)


def _change(line: dict[str, Any]) -> Change:
    if line["action"] not in get_args(Action):
        fail(f"action is {shown(line['action'])}, not drop, add or rewrite")
    if int(line["version"]) < 1:
        fail(f"version is {line['version']}; version 0 is the raw pool")
    before, after = (tuple(json.loads(line[name] or "[]")) for name in ("before", "after"))
    if (line["action"] == "rewrite") != bool(after) or (line["action"] == "add") != bool(line["source"]):
        fail("only and every rewrite has answers in `after`; only and every add has a `source`")
    for answer in (*before, *after):
        if not isinstance(answer, str):
            fail(f"the answer {shown(answer)} is not a text")
        check_text(answer, "an answer")
    return Change(line["row"], int(line["version"]), line["action"], line["source"], before, after, line["reason"])


def apply_lineage(table: pa.Table, reserve: pa.Table, changes: list[Change]) -> pa.Table:
    """Apply `changes` to a pool table and return the latest version.

    table and reserve have the pool's columns. Kept rows keep their order; added rows follow in the order of their
    changes. Versions that the table already has are skipped. Raises PoolError if a row is missing, already present,
    changed twice in one version, or has other answers than the change states.
    """
    for version in sorted({change.version for change in changes if change.version > version_of(table)}):
        table = _next_version(table, reserve, [change for change in changes if change.version == version], version)
    return table


def _next_version(table: pa.Table, reserve: pa.Table, changes: list[Change], version: int) -> pa.Table:
    place = {row: i for i, row in enumerate(table["id"].to_pylist())}
    spare = {row: table.num_rows + i for i, row in enumerate(reserve["id"].to_pylist())}

    def fail(row: str, what: str):
        raise PoolError(f"lineage, version {version}, row {shown(row)}: {what}")

    changed: set[str] = set()
    for change in changes:
        if change.row in changed:
            fail(change.row, "is changed twice; keep one of the changes")
        changed.add(change.row)
        if change.action == "add" and change.row in place:
            fail(change.row, "is to be added but is already in the pool; give it another id")
        if change.action == "add" and change.source not in spare and change.source not in place:
            fail(
                change.row,
                f"its source {shown(change.source)} is neither in the reserve nor in version {version - 1}; "
                "was the lineage made for another reserve?",
            )
        if change.action != "add" and change.row not in place:
            fail(change.row, f"is not in version {version - 1}; was the lineage made for another pool?")
    new, at = [], np.arange(table.num_rows)
    for change in changes:
        if change.action == "rewrite":
            row = table.slice(place[change.row], 1).to_pylist()[0]
            if answers_of(row["turns"]) != change.before:
                fail(
                    change.row,
                    f"has the answers {list(answers_of(row['turns']))}, but the lineage expects {list(change.before)}; "
                    "was it made for another pool?",
                )
            if len(change.after) != len(change.before):
                fail(change.row, f"has {len(change.before)} answers, but the lineage gives {len(change.after)}")
            after = iter(change.after)
            new.append(
                {
                    **row,
                    "turns": [
                        {**turn, "text": next(after)} if turn["role"] == "assistant" else turn for turn in row["turns"]
                    ],
                }
            )
            at[place[change.row]] = table.num_rows + reserve.num_rows + len(new) - 1
    dropped = [place[change.row] for change in changes if change.action == "drop"]
    added = [change for change in changes if change.action == "add"]
    taken = [spare.get(change.source, place.get(change.source, -1)) for change in added]
    schema = table.schema.remove_metadata()
    parts = [part.cast(schema) for part in (table, reserve)] + [pa.Table.from_pylist(new, schema)]
    made = pa.concat_tables(parts).take(np.concatenate([np.delete(at, dropped), np.array(taken, np.int64)]))
    names = made["id"].to_pylist()[: made.num_rows - len(added)] + [change.row for change in added]
    metadata = {**(table.schema.metadata or {}), _VERSION: str(version).encode()}
    return made.set_column(0, "id", pa.array(names, pa.string())).combine_chunks().replace_schema_metadata(metadata)


def apply_to_labels(labels: list[dict], reserve: list[dict], ids: list[str], changes: list[Change]) -> list[dict]:
    """Noise labels of the rows `ids` of a version, from the labels of the raw pool and the reserve; [] if the raw pool
    has none.

    A rewritten row is labelled `rewritten`, because the correctness of its answer is unknown. An added row without a
    label is `unknown`. A further copy names its source in duplicate_of.
    """
    if not labels:
        return []
    of = {label["id"]: label for label in (*reserve, *labels)}
    in_pool, unknown = {label["id"] for label in labels}, dict.fromkeys(labels[0], "") | {"noise": "unknown"}
    for change in changes:
        if change.action == "add":
            of[change.row] = (
                of.get(change.source, unknown)
                | {"id": change.row}
                | ({"duplicate_of": change.source} if change.source in in_pool else {})
            )
            in_pool.add(change.row)
        elif change.action == "rewrite":
            of[change.row] = of[change.row] | {"noise": "rewritten"}
    return [of[row] for row in ids]
