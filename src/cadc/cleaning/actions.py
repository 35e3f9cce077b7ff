"""Apply the checks' actions to a pool: drop flagged rows, or rewrite their answers and drop rows without a new one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa

from cadc import artifacts
from cadc.cleaning import rewriting
from cadc.cleaning.evidence import load_evidence
from cadc.cleaning.findings import Findings
from cadc.cleaning.rewriting import Rewrites
from cadc.compute.endpoint import Endpoint
from cadc.config.cleaning import Clean
from cadc.config.params import Model
from cadc.data.lineage import Change, apply_lineage, version_of, write_lineage
from cadc.model.load import load_processor


def reasons_of(found: dict[str, Findings], names: list[str]) -> dict[int, str]:
    """The rows flagged by any of these checks, in order, with the first reason: {row: 'clean.check: evidence'}."""
    reasons: dict[int, str] = {}
    for name in names:
        for row in np.flatnonzero(found[name].flag).tolist():
            reasons.setdefault(row, f"clean.{name}: {found[name].evidence[row]}")
    return dict(sorted(reasons.items()))


def new_answers(pool: pa.Table, rows: list[int], clean: Clean, model: Model) -> Rewrites:
    """Accepted new answers for `rows`, from the endpoint or from `crossfit`'s adapters."""
    turns = pool["turns"].to_pylist()
    single = np.array(rows, np.int64)[rewriting.single_exchanges([turns[row] for row in rows])]
    if clean.url is not None:
        answers = rewriting.asked_of(Endpoint(clean.url, clean.model), pool, single)
    else:
        decode = load_processor(model).tokenizer.decode
        answers = rewriting.judged_answers(load_evidence(), decode, turns, single)
    return rewriting.accepted(turns, single, answers, clean)


def changes_of(found: dict[str, Findings], pool: pa.Table, clean: Clean, model: Model) -> list[Change]:
    """The changes that the checks' actions make to the pool, row by row.

    Rows to be rewritten without an accepted answer are dropped.
    """
    dropped, bad = (reasons_of(found, clean.acting(action)) for action in ("drop", "rewrite"))
    mended = new_answers(pool, [row for row in bad if row not in dropped], clean, model) if bad else {}
    ids, version, changes = pool["id"].to_pylist(), version_of(pool) + 1, []
    for row in sorted(dropped.keys() | bad.keys()):
        if row in mended:
            before, after = mended[row]
            changes.append(Change(ids[row], version, "rewrite", before=before, after=after, reason=bad[row]))
        else:
            reason = dropped.get(row) or f"{bad[row]}; no new answer was accepted"
            changes.append(Change(ids[row], version, "drop", reason=reason))
    return changes


def write_cleaned(folder: Path, pool: pa.Table, changes: list[Change]) -> None:
    """Write the raw pool with `changes` applied to `folder`; without changes, an exact copy.

    rows.parquet; skipped.json: rows skipped in the raw pool and dropped rows, with reasons; lineage.csv if there are
    changes.
    """
    if not changes:
        for name in ("rows.parquet", "skipped.json"):
            shutil.copyfile(artifacts.RAW / name, folder / name)
        return
    artifacts.write_table(folder / "rows.parquet", apply_lineage(pool, pool.slice(0, 0), changes))
    write_lineage(folder / "lineage.csv", changes)
    dropped = [{"id": change.row, "reason": change.reason} for change in changes if change.action == "drop"]
    artifacts.write_json(folder / "skipped.json", artifacts.read_json(artifacts.RAW / "skipped.json") + dropped)
