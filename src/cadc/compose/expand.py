"""Expand studies: the variants that each study's pipeline makes, and its tables with the arm of each row."""

from __future__ import annotations

from typing import Any

from cadc.compose.names import ROOT, Made, Request, settle
from cadc.compose.rows import Base, asked, base_of, beside
from cadc.compose.studies import Study, Table, slug
from cadc.config.errors import InputError


def spelled_out(
    library: dict, studies: dict[str, Study], there: dict[str, Made]
) -> tuple[dict[str, Made], dict[str, dict[str, dict]]]:
    """The variants that each study's pipeline makes, and its tables by name, with the arm of each row.

    library: everything that conf/library.yaml composes. there: the variants that each pipeline makes now. Raises
    InputError naming the errors of a study.
    """
    root = [_root_arm(library, name) for name in library["arms"]]
    rows = {
        name: [(table, requests(library, table, f"conf/studies/{name}.yaml", name)) for table in study.tables]
        for name, study in studies.items()
    }
    every = [*root, *(row for tables in rows.values() for _, found in tables for row in found)]
    made = settle([one for row in every for one in (row.beside, row) if one], there)
    makers = {arm: pipeline for pipeline, levels in made.items() for arm in levels.get("arms", {})}
    return {name: made.get(name, {}) for name in studies}, {
        name: {slug(table.title): stated(library, table, found, makers) for table, found in tables}
        for name, tables in rows.items()
    }


def _root_arm(library: dict, name: str) -> Request:
    source = f"conf/config.yaml, arms.{name}"
    return _request(library, ROOT, name, base_of(library, name, {}, source), {}, source)


def _request(library: dict, pipeline: str, label: str, base: Base, changes: dict, source: str) -> Request:
    other = beside(library, base, changes, source)
    return Request(
        pipeline, label, asked(library, base, changes, source), Request(pipeline, label, other) if other else None
    )


def requests(library: dict, table: Table, file: str, pipeline: str) -> list[Request]:
    """The variants that a table's rows need, at each budget. Raises InputError naming a key that no row reads."""
    common: dict[str, Any] = {} if table.split == library["evaluate"]["split"] else {"evaluate.split": table.split}
    common |= {} if table.seeds is None else {"seeds": table.seeds}
    found, unread = [], set(table.set)
    for row in table.rows:
        source = f"{file}, {table.title}, {row.title}"
        base = base_of(library, row.arm, table.set | row.set, source)
        shared = {key: value for key, value in table.set.items() if base.reads(key)}
        unread -= shared.keys()
        for budget in table.budgets if table.budgets and base.reads("budget") else [None]:
            changes = common | shared | row.set | ({} if budget is None else {"budget": budget})
            found.append(_request(library, pipeline, row.title, base, changes, source))
    if unread:
        raise InputError(f"{file}, {table.title}: set: no row reads {', '.join(sorted(unread))}; remove it")
    return found


def stated(library: dict, table: Table, rows: list[Request], makers: dict[str, str]) -> dict:
    """A table as params.json states it: each row with its label and arm, and the arm trained on all rows. makers: arm
    -> the pipeline that makes it."""
    full = next((row.names["arms"] for row in rows if row.variants["arms"].content["method"] == "full"), None)
    if table.difficulty and full is None and table.split != library["evaluate"]["split"]:
        raise InputError(f"{table.title}: difficulty is the error of full data; add a row with the arm full")
    more = {name: value for name in ("shows", "difficulty") if (value := getattr(table, name))}
    if "capabilities" in table.shows:
        more["discoveries"] = list(
            dict.fromkeys(row.names["discoveries"] for row in rows if "discoveries" in row.names)
        )
    if "convergence" in table.shows:
        more["followed"] = {
            row.names["arms"]: _followed(row.variants["arms"].content, makers[row.names["arms"]]) for row in rows
        }
    return {
        **table.model_dump(include={"title", "about", "split", "plot", "claims", "published"}),
        **more,
        "rows": [{"label": row.label, "arm": row.names["arms"]} for row in rows],
        "full": "full" if full is None and table.split == library["evaluate"]["split"] else full,
    }


def _followed(arm: dict, maker: str) -> dict[str, str]:
    """What else the stage that repeats an arm's run depends on."""
    return {"maker": maker, "watched": arm["model"]["watched"], "split": arm["evaluate"]["split"]}
