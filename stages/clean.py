"""clean: every check of every raw row, a report with examples, and the pool without the rows that checks were told to drop."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cadc import artifacts, console, launch, shards
from cadc.clean_params import BY_MODEL, CHECKS, Clean
from cadc.cleaning import abnormal, answer_format, duplicates, hallucination, mismatch, repetition, wrong_answer
from cadc.cleaning.evidence import Evidence
from cadc.cleaning.findings import Findings
from cadc.cleaning.pool import SHARD_ROWS, pool_copies
from cadc.model.load import load_processor
from cadc.params import Model, Params, load_params
from cadc.report import cleaning
from cadc.report.leaderboard import REPORTS
from cadc.stage import run_stage

TEXT = (repetition, abnormal, answer_format)
SCHEMA = pa.schema([("row", pa.int64()), ("id", pa.string()), ("check", pa.string()), ("score", pa.float32()), ("flag", pa.bool_()), ("evidence", pa.string())])


def reading() -> shards.Task:
    """What the checks of texts find in one stretch of rows, a table for each in a folder."""
    pool, settings = artifacts.load_pool(artifacts.RAW), settings_of(load_params().clean)

    def shard(index: int, folder: Path) -> None:
        turns = pool["turns"].slice(index * SHARD_ROWS, SHARD_ROWS).to_pylist()
        for check in TEXT:
            name = check.__name__.rpartition(".")[2]
            found = check.check(turns, **settings[name])
            pq.write_table(pa.table([found.score, found.flag, pa.array(found.evidence)], names=["score", "flag", "evidence"]), folder / f"{name}.parquet")

    return shard


def settings_of(clean: Clean) -> dict[str, dict]:
    """Each check's parameters."""
    return {name: getattr(clean, name).model_dump(exclude={"action"}) for name in CHECKS}


def text_findings(n_rows: int, settings: Clean) -> dict[str, Findings]:
    """What the checks of texts find in the raw pool."""
    keys = list(range(-(-n_rows // SHARD_ROWS)))
    folders = shards.run(reading, keys, "clean_text", [settings_of(settings), artifacts.RAW], "read rows")
    found = {}
    for name in (check.__name__.rpartition(".")[2] for check in TEXT):
        table = pa.concat_tables([pq.read_table(folder / f"{name}.parquet") for folder in folders.values()])
        found[name] = Findings(table["score"].to_numpy(), table["flag"].to_numpy(), table["evidence"].to_pylist())
    return found


def model_findings(settings: Clean, source: np.ndarray, keeper: np.ndarray, model: Model) -> dict[str, Findings]:
    """What the checks by a model find, from the evidence that `crossfit` made."""
    evidence, decode = Evidence(**artifacts.load_arrays(artifacts.CROSSFIT)), load_processor(model).tokenizer.decode
    own = settings_of(settings)
    return {
        "mismatch": mismatch.check(evidence, source, **own["mismatch"]),
        "hallucination": hallucination.check(evidence, decode, **own["hallucination"]),
        "wrong_answer": wrong_answer.check(evidence, keeper, decode, **own["wrong_answer"]),
    }


def dropped_rows(found: dict[str, Findings], dropping: list[str]) -> dict[int, str]:
    """The rows to leave out, with the reason: {row: check: evidence}."""
    reasons: dict[int, str] = {}
    for name in dropping:
        for row in np.flatnonzero(found[name].flag).tolist():
            reasons.setdefault(row, f"clean.{name}: {found[name].evidence[row]}")
    return dict(sorted(reasons.items()))


def main(params: Params) -> None:
    launch.refuse_ranks("clean")
    pool, settings = artifacts.load_pool(artifacts.RAW), params.clean
    copies = pool_copies(settings.duplicates, "clean")
    out, ids = artifacts.fresh(artifacts.CLEANING), pool["id"]
    found = text_findings(pool.num_rows, settings) | {"duplicates": duplicates.check(copies, ids.to_pylist())}
    if settings.evidence == "crossfit":
        found |= model_findings(settings, np.array(pool["source"].to_pylist()), copies.keeper, params.model)
    parts = [
        pa.Table.from_arrays([np.arange(pool.num_rows), ids, pa.repeat(name, pool.num_rows), f.score, f.flag, pa.array(f.evidence)], schema=SCHEMA)
        for name, f in found.items()
    ]
    pq.write_table(pa.concat_tables(parts), out / "findings.parquet")
    artifacts.save_array(out / "copies.npy", copies.keeper)
    reasons = dropped_rows(found, settings.dropping)
    cleaned = artifacts.fresh(artifacts.CLEANED)
    if reasons:
        pq.write_table(pool.take(np.setdiff1d(np.arange(pool.num_rows), list(reasons))), cleaned / "rows.parquet")
        skipped = artifacts.read_json(artifacts.RAW / "skipped.json")
        artifacts.write_json(cleaned / "skipped.json", skipped + [{"id": ids[row].as_py(), "reason": reason} for row, reason in reasons.items()])
    else:
        for name in ("rows.parquet", "skipped.json"):
            shutil.copyfile(artifacts.RAW / name, cleaned / name)
    cleaning.write(REPORTS, pool, found, copies, artifacts.load_labels(artifacts.RAW), settings, len(reasons))
    shards.forget("clean")
    shards.forget("clean_text")
    for name, f in found.items():
        console.line(f"{name}: {f.flag.sum()} rows flagged, {getattr(settings, name).action}")
    missing = [name for name in BY_MODEL if name not in found]
    console.line(f"clean: {len(reasons)} of {pool.num_rows} rows left out" + (f"; not run, for clean.evidence is raw: {', '.join(missing)}" if missing else ""))


if __name__ == "__main__":
    run_stage("clean", main)
