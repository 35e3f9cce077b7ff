"""clean: every check of every raw row, a report with examples, and the pool without the rows that checks were told to drop, new answers in those to rewrite."""

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cadc import artifacts
from cadc.artifacts import REPORTS
from cadc.cleaning import (
    abnormal,
    answer_format,
    duplicates,
    hallucination,
    mismatch,
    objects,
    repetition,
    rewriting,
    wrong_answer,
)
from cadc.cleaning.evidence import Evidence
from cadc.cleaning.findings import Findings
from cadc.cleaning.pool import SHARD_ROWS, pool_copies
from cadc.compute import console, launch, shards
from cadc.compute.endpoint import Endpoint, summary
from cadc.compute.stage import run_stage
from cadc.config.cleaning import BY_MODEL, CHECKS, Clean
from cadc.config.params import Model, Params, load_params
from cadc.data.labels import load_labels
from cadc.data.lineage import Change, apply_lineage, version_of, write_lineage
from cadc.model.load import load_processor
from cadc.report import cleaning

TEXT = (repetition, abnormal, answer_format)
SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("id", pa.string()),
        ("check", pa.string()),
        ("score", pa.float32()),
        ("flag", pa.bool_()),
        ("evidence", pa.string()),
    ]
)


def reading() -> shards.Task:
    """What the checks of texts find in one stretch of rows, a table for each in a folder."""
    pool, settings = artifacts.load_pool(artifacts.RAW), settings_of(load_params().clean)

    def shard(index: int, folder: Path) -> None:
        turns = pool["turns"].slice(index * SHARD_ROWS, SHARD_ROWS).to_pylist()
        for check in TEXT:
            name = check.__name__.rpartition(".")[2]
            found = check.check(turns, **settings[name])
            pq.write_table(
                pa.table([found.score, found.flag, pa.array(found.evidence)], names=["score", "flag", "evidence"]),
                folder / f"{name}.parquet",
            )

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


def object_findings(pool: pa.Table, params: Params) -> dict[str, Findings]:
    """What the check of objects finds, if there are lists of them."""
    asked = params.clean.objects
    lists = objects.read_lists(Path(asked.lists))
    if not lists.of:
        if asked.action != "report":
            raise ValueError(
                f"clean.objects.action is {asked.action}, but {asked.lists} is empty; set clean.objects.lists to a file that says what pictures have"
            )
        return {}
    folder = (
        f"{params.data.inside(params.data.images)}/" if params.data.path else ""
    )  # stands before the names of images that are not embedded
    names = [path.removeprefix(folder) for path in pc.struct_field(pc.list_flatten(pool["images"]), "path").to_pylist()]
    bounds = np.concatenate([[0], np.cumsum(pc.list_value_length(pool["images"]).to_numpy())]).tolist()
    console.line(
        f"objects: {asked.lists} says nothing of {len(set(names) - lists.of.keys())} of {len(set(names))} pictures"
    )
    images = [names[a:b] for a, b in pairwise(bounds)]
    return {"objects": objects.check(pool["turns"].to_pylist(), images, lists, asked.least, asked.share)}


def model_findings(settings: Clean, source: np.ndarray, keeper: np.ndarray, model: Model) -> dict[str, Findings]:
    """What the checks by a model find, from the evidence that `crossfit` made."""
    evidence, decode = Evidence(**artifacts.load_arrays(artifacts.CROSSFIT)), load_processor(model).tokenizer.decode
    own = settings_of(settings)
    return {
        "mismatch": mismatch.check(evidence, source, **own["mismatch"]),
        "hallucination": hallucination.check(evidence, decode, **own["hallucination"]),
        "wrong_answer": wrong_answer.check(evidence, keeper, decode, **own["wrong_answer"]),
    }


def reasons_of(found: dict[str, Findings], names: list[str]) -> dict[int, str]:
    """The rows that any of these checks flags, with the reason: {row: check: evidence}."""
    reasons: dict[int, str] = {}
    for name in names:
        for row in np.flatnonzero(found[name].flag).tolist():
            reasons.setdefault(row, f"clean.{name}: {found[name].evidence[row]}")
    return dict(sorted(reasons.items()))


def new_answers(pool: pa.Table, rows: list[int], params: Params) -> dict[int, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Accepted answers of the endpoint or of `crossfit`'s adapters in the place of those of `rows`: row -> (before, after)."""
    turns, settings = pool["turns"].to_pylist(), params.clean
    single = np.array(rows, np.int64)[rewriting.single_exchanges([turns[row] for row in rows])]
    if settings.url is not None:
        endpoint = Endpoint(settings.url, settings.model)
        try:
            answers = rewriting.asked_of(endpoint, lambda row: pool.slice(row, 1).to_pylist()[0], single)
        finally:
            console.line(f"rewrites: {summary(endpoint.spent)}")
    else:
        evidence, decode = (
            Evidence(**artifacts.load_arrays(artifacts.CROSSFIT)),
            load_processor(params.model).tokenizer.decode,
        )
        answers = rewriting.judged_answers(evidence, decode, turns, single)
    return rewriting.accepted(turns, single, answers, settings)


def changes_of(found: dict[str, Findings], pool: pa.Table, params: Params) -> list[Change]:
    """What the checks' actions make of the pool, row by row: rows to be rewritten that get no accepted answer are dropped, too."""
    dropped, bad = (reasons_of(found, params.clean.acting(action)) for action in ("drop", "rewrite"))
    mended = new_answers(pool, [row for row in bad if row not in dropped], params) if bad else {}
    ids, version, changes = pool["id"].to_pylist(), version_of(pool) + 1, []
    for row in sorted(dropped.keys() | bad.keys()):
        if row in mended:
            before, after = mended[row]
            changes.append(Change(ids[row], version, "rewrite", before=before, after=after, reason=bad[row]))
        else:
            changes.append(
                Change(ids[row], version, "drop", reason=dropped.get(row) or f"{bad[row]}; no new answer was accepted")
            )
    return changes


def main(params: Params) -> None:
    launch.refuse_ranks("clean")
    pool, settings = artifacts.load_pool(artifacts.RAW), params.clean
    copies = pool_copies(settings.duplicates, "clean")
    out, ids = artifacts.fresh(artifacts.CLEANING), pool["id"]
    found = text_findings(pool.num_rows, settings) | {"duplicates": duplicates.check(copies, ids.to_pylist())}
    found |= object_findings(pool, params)
    if settings.evidence == "crossfit":
        found |= model_findings(settings, np.array(pool["source"].to_pylist()), copies.keeper, params.model)
    parts = [
        pa.Table.from_arrays(
            [np.arange(pool.num_rows), ids, pa.repeat(name, pool.num_rows), f.score, f.flag, pa.array(f.evidence)],
            schema=SCHEMA,
        )
        for name, f in found.items()
    ]
    pq.write_table(pa.concat_tables(parts), out / "findings.parquet")
    artifacts.save_array(out / "copies.npy", copies.keeper)
    changes = changes_of(found, pool, params)
    dropped = [change for change in changes if change.action == "drop"]
    cleaned = artifacts.fresh(artifacts.CLEANED)
    if changes:
        pq.write_table(apply_lineage(pool, pool.slice(0, 0), changes), cleaned / "rows.parquet")
        write_lineage(cleaned / "lineage.csv", changes)
        skipped = artifacts.read_json(artifacts.RAW / "skipped.json")
        artifacts.write_json(
            cleaned / "skipped.json", skipped + [{"id": change.row, "reason": change.reason} for change in dropped]
        )
    else:
        for name in ("rows.parquet", "skipped.json"):
            shutil.copyfile(artifacts.RAW / name, cleaned / name)
    cleaning.write(
        REPORTS, pool, found, copies, load_labels(artifacts.RAW), settings, len(dropped), len(changes) - len(dropped)
    )
    shards.forget("clean")
    shards.forget("clean_text")
    for name, f in found.items():
        console.line(f"{name}: {f.flag.sum()} rows flagged, {getattr(settings, name).action}")
    missing = [name for name in BY_MODEL if name not in found]
    console.line(
        f"clean: {len(dropped)} of {pool.num_rows} rows left out, {len(changes) - len(dropped)} rewritten"
        + (f"; not run, for clean.evidence is raw: {', '.join(missing)}" if missing else "")
    )


if __name__ == "__main__":
    run_stage("clean", main)
