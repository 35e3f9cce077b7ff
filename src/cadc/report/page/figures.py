"""Data of the page's charts: arm scores, costs, composition of selections, and capabilities."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal
from itertools import combinations
from typing import Any

import numpy as np

from cadc import artifacts
from cadc.evaluation.statistics import BENCHMARKS
from cadc.report import selections
from cadc.report.capabilities import load_found
from cadc.report.page.pictures import data_address, thumbnail
from cadc.report.stated import Stated
from cadc.report.tables import COLUMNS, Line, Table

OTHERS = "all others"
_GROUPS = 24  # number of values of a label shown separately


def rounded(value: float, digits: int = 6) -> float | None:
    """`value` rounded to some significant digits, more than are shown; None for nan, which JSON cannot hold.

    The result rounds to the same one decimal in a browser as `value` does in Python. Without this, double rounding or
    ties could show another figure than the tables.
    """
    if math.isnan(value):
        return None
    made, shown = float(f"{value:.{digits}g}"), Decimal(f"{value:.1f}")
    if Decimal(made).quantize(Decimal("0.1"), ROUND_HALF_UP) != shown:
        made = float(value) + (float(shown) - float(value)) * 1e-6
    return made


def board(table: Table) -> dict[str, Any]:
    """Every arm, best first: scores in percent with 95% intervals, difference and cost."""
    titles = COLUMNS | {name: title for name, title in BENCHMARKS.items() if name not in COLUMNS}
    names = [name for name in titles if all(name in line.measured.runs for line in table.lines)]
    ranked = sorted(table.lines, key=lambda line: (-line.mean(table.judged), line.title))
    return {
        "judged": table.judged,
        "columns": [{"name": name, "title": titles[name]} for name in names],
        "arms": [_arm(line, table, names) for line in ranked],
        "first": table.first,
        "split": table.spec["split"],
    }


def _arm(line: Line, table: Table, names: list[str]) -> dict[str, Any]:
    estimates = {name: line.measured.estimate(name) for name in names}
    apart, cost = table.difference(line), line.cost
    return {
        "arm": line.arm,
        "title": line.title,
        "label": line.label,
        "method": line.method,
        "budget": 1.0 if line.whole else line.budget,
        "whole": line.whole,
        "seeds": list(line.measured.seeds),
        "figures": {
            name: [rounded(value) for value in (one.mean, one.sd, one.low, one.high)] for name, one in estimates.items()
        },
        "runs": {name: [rounded(value) for value in line.measured.runs[name].tolist()] for name in names},
        "difference": [rounded(value) for value in (apart.mean, apart.low, apart.high, apart.p)] if apart else None,
        "cost": [rounded(cost.selection), rounded(cost.tuning), rounded(cost.together)] if cost else None,
    }


def groupings(facts: selections.Facts, member: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The labels that rows can be grouped by, each str [n_rows], by title. Labels that the pool lacks are left out.

    member: for each discovery, the capability on which each row has the highest influence, int [n_rows].
    """
    copies = None if facts.copy is None else np.where(facts.copy, "copy of another row", "no copy")
    named = {"source": facts.source, "form": facts.form, "noise": facts.noise, "copies": copies, "about": facts.about}
    kept = {name: values for name, values in named.items() if values is not None}
    return kept | {f"capability, {name}": values.astype(str) for name, values in member.items()}


def composition(arms: list[str], groups: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """For each grouping, the share of each group in the pool and in each arm's rows (mean over seeds), in percent."""
    rows = {arm: selections.rows_of(arm) for arm in arms}
    return [_shares(title, label, rows) for title, label in groups.items()]


def _shares(title: str, label: np.ndarray, rows: dict[str, list[np.ndarray]]) -> dict[str, Any]:
    names, index, counts = np.unique(label, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    place = np.empty(len(names), int)
    place[order] = np.minimum(np.arange(len(names)), _GROUPS)
    group, n = place[index], min(len(names), _GROUPS + 1)

    def shares(own: np.ndarray) -> np.ndarray:
        return 100 * np.bincount(group[own], minlength=n) / max(len(own), 1)

    shown = [str(names[i]) or "none" for i in order[:_GROUPS]] + ([OTHERS] if len(names) > _GROUPS else [])
    of_arms = {arm: np.mean([shares(one) for one in own], axis=0) for arm, own in rows.items()}
    return {
        "title": title,
        "names": shown,
        "pool": np.round(shares(np.arange(len(label))), 2).tolist(),
        "arms": {arm: np.round(values, 2).tolist() for arm, values in of_arms.items()},
    }


def overlaps(chosen: dict[str, np.ndarray]) -> list[list]:
    """For every pair of arms: [A, B, rows in both, rows only in A, rows only in B]. chosen: int64 [n] per arm."""
    pairs = [(a, b, len(np.intersect1d(chosen[a], chosen[b]))) for a, b in combinations(chosen, 2)]
    return [[a, b, both, len(chosen[a]) - both, len(chosen[b]) - both] for a, b, both in pairs]


def capabilities(stated: Stated) -> list[dict[str, Any]]:
    """Every discovery in params.yaml: its capabilities with their subtasks, words, rows and self-influence."""
    return [_discovery(name, *load_found(stated, name)) for name in stated.root["discoveries"]]


def _discovery(name: str, facts: dict, rows: list[dict]) -> dict[str, Any]:
    found = []
    for c, (share, words) in enumerate(zip(facts["share"], facts["words"], strict=True)):
        families: dict[str, list[str]] = {}
        for one in (one for one in facts["subtasks"] if one["capability"] == c):
            families.setdefault(one["meta_task"], []).append(one["name"])
        examples = [
            {
                "question": row["question"],
                "answer": row["answer"],
                "influence": rounded(row["influence"], 3),
                "picture": data_address(thumbnail({"bytes": row["image"], "path": None})) if row["image"] else None,
            }
            for row in rows
            if row["capability"] == c
        ]
        found.append(
            {
                "share": round(100 * share, 1),
                "words": words,
                "families": sorted(families.items()),
                "examples": examples,
                "trend": [line[c] for line in facts["self_influence"]],
            }
        )
    return {"name": name, "steps": facts["steps"], "stability": facts["stability"], "capabilities": found}


def members(discoveries: list[str]) -> dict[str, np.ndarray]:
    """For each discovery with a local artifact: the capability each row influences most, int64 [n_rows]."""
    paths = {name: artifacts.CAPABILITIES / name / "influence.npy" for name in discoveries}
    return {name: np.argmax(artifacts.load_array(path), axis=1) for name, path in paths.items() if path.exists()}
