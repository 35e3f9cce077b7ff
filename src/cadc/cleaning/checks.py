"""Run every check on the raw pool: text checks in shards, the others on the whole pool at once."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cadc import artifacts
from cadc.cleaning import duplicates, hallucination, mismatch, objects, wrong_answer
from cadc.cleaning.duplicates import Copies
from cadc.cleaning.evidence import load_evidence
from cadc.cleaning.findings import Findings
from cadc.cleaning.flags import TEXT, settings_of, text_flags
from cadc.cleaning.pool import SHARD_ROWS
from cadc.compute import console, shards
from cadc.config.cleaning import CHECKS, Clean
from cadc.config.errors import InputError
from cadc.config.params import Data, Model, Params, load_params
from cadc.model.load import load_processor

#: The artifact cleaning/findings.parquet: one line per row and check.
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
    """Shard task: findings of the text checks on one range of rows, a table per check in a folder."""
    pool, clean = artifacts.load_pool(artifacts.RAW), load_params().clean

    def shard(index: int, folder: Path) -> None:
        turns = pool["turns"].slice(index * SHARD_ROWS, SHARD_ROWS).to_pylist()
        for name, found in text_flags(turns, clean).items():
            columns = [found.score, found.flag, pa.array(found.evidence)]
            artifacts.write_table(folder / f"{name}.parquet", pa.table(columns, names=["score", "flag", "evidence"]))

    return shard


def text_findings(n_rows: int, clean: Clean, stage: str) -> dict[str, Findings]:
    """Findings of the text checks on the raw pool. They stay cached as shards of `stage` until forgotten."""
    keys = list(range(-(-n_rows // SHARD_ROWS)))
    inputs = [{name: settings_of(clean, name) for name in CHECKS}, artifacts.RAW]
    folders = shards.run(reading, keys, stage, inputs, "read rows")
    found = {}
    for name in TEXT:
        table = pa.concat_tables([artifacts.read_table(folder / f"{name}.parquet") for folder in folders.values()])
        found[name] = Findings(table["score"].to_numpy(), table["flag"].to_numpy(), table["evidence"].to_pylist())
    return found


def object_findings(pool: pa.Table, clean: Clean, data: Data) -> dict[str, Findings]:
    """Findings of the object check; {} without object lists.

    Raises InputError if the lists are empty but the check's action is drop or rewrite.
    """
    asked = clean.objects
    lists = objects.read_lists(Path(asked.lists))
    if not lists.of:
        if asked.action != "report":
            raise InputError(
                f"clean.objects.action is {asked.action}, but {asked.lists} is empty; "
                "set clean.objects.lists to a file with the objects in your images"
            )
        return {}
    folder = f"{data.inside(data.images)}/" if data.path else ""  # prefix of paths of images that are not embedded
    names = [path.removeprefix(folder) for path in pc.struct_field(pc.list_flatten(pool["images"]), "path").to_pylist()]
    bounds = np.concatenate([[0], np.cumsum(pc.list_value_length(pool["images"]).to_numpy())]).tolist()
    console.line(f"objects: {asked.lists} lacks {len(set(names) - lists.of.keys())} of {len(set(names))} images")
    images = [names[a:b] for a, b in pairwise(bounds)]
    return {"objects": objects.check(pool["turns"].to_pylist(), images, lists, asked.least, asked.share)}


def model_findings(clean: Clean, source: np.ndarray, keeper: np.ndarray, model: Model) -> dict[str, Findings]:
    """Findings of the model-based checks, from `crossfit`'s evidence.

    source str, keeper int64 [n_rows]: each row's data set, and the row that it copies (or itself).
    """
    evidence, decode = load_evidence(), load_processor(model).tokenizer.decode
    mismatched = mismatch.check(evidence, source, **settings_of(clean, "mismatch"))
    shown = np.isfinite(evidence.match)
    if untold := int(np.isnan(mismatched.score[shown]).sum()):
        console.line(
            f"mismatch: {untold} of {shown.sum()} rows with images are not judged; the model does not tell their "
            "images from others of their source, or too few rows have answers of that length"
        )
    return {
        "mismatch": mismatched,
        "hallucination": hallucination.check(evidence, decode, **settings_of(clean, "hallucination")),
        "wrong_answer": wrong_answer.check(evidence, keeper, decode, **settings_of(clean, "wrong_answer")),
    }


def check_pool(pool: pa.Table, copies: Copies, params: Params, stage: str) -> dict[str, Findings]:
    """Findings of every check on the raw pool, by name, in report order.

    Model-based checks run if clean.evidence is crossfit, the object check if there are object lists.
    """
    found = text_findings(pool.num_rows, params.clean, stage)
    found |= {"duplicates": duplicates.check(copies, pool["id"].to_pylist())}
    found |= object_findings(pool, params.clean, params.data)
    if params.clean.evidence == "crossfit":
        found |= model_findings(params.clean, np.array(pool["source"].to_pylist()), copies.keeper, params.model)
    return found


def findings_table(found: dict[str, Findings], ids: pa.ChunkedArray) -> pa.Table:
    """All findings as one table of `SCHEMA`, check after check. ids [n_rows]: of the pool's rows."""
    n = len(ids)
    return pa.concat_tables(
        pa.Table.from_arrays(
            [np.arange(n), ids, pa.repeat(name, n), f.score, f.flag, pa.array(f.evidence)], schema=SCHEMA
        )
        for name, f in found.items()
    )
