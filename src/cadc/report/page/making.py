"""Build the page of a table's arms, reports/index.html."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cadc import artifacts
from cadc.config.errors import InputError
from cadc.evaluation.results import load_selections
from cadc.report import selections
from cadc.report.page import figures, rows, scores
from cadc.report.page.document import document
from cadc.report.stated import Stated
from cadc.report.tables import Table

PATH = artifacts.REPORTS / "index.html"


def data_of(table: Table, stated: Stated) -> dict[str, Any]:
    """All data that the page shows. Raises InputError if the pool or reports/pool.parquet is missing, or if an artifact
    was made from another pool."""
    if not (artifacts.POOL / "rows.parquet").exists():
        raise InputError(f"{artifacts.POOL}: no such folder; the page needs its rows: run `dvc repro pool`")
    pool, facts, discoveries = artifacts.load_pool(), selections.load_facts(), list(stated.root["discoveries"])
    if pool.num_rows != len(facts.source):
        raise InputError(
            f"{artifacts.FACTS} has {len(facts.source)} rows but {artifacts.POOL} has {pool.num_rows}; "
            "run `dvc repro facts`"
        )
    board = figures.board(table)
    arms = [line["arm"] for line in board["arms"]]
    picked = {arm: load_selections(arm) for arm in arms}
    chosen = {arm: np.unique(next(iter(seeds.values()))["row"].to_numpy()) for arm, seeds in picked.items()}
    part = {arm: own for arm, own in chosen.items() if len(own) < pool.num_rows}
    groups = figures.groupings(facts, figures.members(discoveries))
    columns = scores.of_methods(stated, arms, pool) | scores.of_discoveries(discoveries)
    for title, column in columns.items():
        if len(column) != pool.num_rows:
            raise InputError(
                f"{title!r} covers {len(column)} rows but {artifacts.POOL} has {pool.num_rows}; run `dvc repro` "
                "to update it, or remove its folder under artifacts"
            )
    return {
        "board": board,
        "composition": figures.composition(arms, groups),
        "capabilities": figures.capabilities(stated),
        "overlaps": figures.overlaps(part),
        "pool": {"rows": pool.num_rows, "skipped": facts.skipped, "chosen": {arm: len(chosen[arm]) for arm in arms}},
        "browser": _browser(
            pool,
            part,
            picked,
            groups,
            columns,
            scores.flags(stated, pool["id"].to_pylist()),
        ),
    }


def _browser(
    pool, part: dict, picked: dict, groups: dict, columns: dict, flags: list[list[str]] | None
) -> dict[str, Any]:
    """The rows shown: groups, arms that selected them, scores, nearest rows and cleaning flags."""
    shown, pictures = rows.sampled(pool, part)
    at = [one["row"] for one in shown]
    more = zip(rows.picked(picked, at), rows.scored(columns, at), rows.nearest(at, pool["id"]), strict=True)
    for one, (by, values, near) in zip(shown, more, strict=True):
        labels = [str(label[one["row"]]) for label in groups.values()]
        one |= {"groups": labels, "picked": by, "scores": values, "near": near}
        one |= {} if flags is None else {"flags": flags[one["row"]]}
    return {"rows": shown, "pictures": pictures, "groups": list(groups), "scores": list(columns)}


def write(table: Table, stated: Stated, path: Path = PATH) -> int:
    """Write the page to `path`. Returns its size in bytes."""
    page = document(data_of(table, stated)).encode()
    artifacts.write_bytes(path, page)
    return len(page)
