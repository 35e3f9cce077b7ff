"""Explain why each selected row was selected, and show the rows just below the cut: `why.parquet`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from cadc.artifacts import Selection
from cadc.selectors.shared.knn import matches, nearest
from cadc.selectors.shared.unit import unit_rows


@dataclass(frozen=True)
class Measured:
    """Measurements of all pool rows, independent of the selection.

    score float [n_rows]: the method's ranking score, higher is better. capability int [n_rows]. influence: by target,
    float32 [n_rows]. features float32 [n_rows, d]: for row similarity. flags: names of the cleaning checks that flag
    each row. None or {} if there is none.
    """

    features: np.ndarray
    score: np.ndarray | None = None
    capability: np.ndarray | None = None
    influence: Mapping[str, np.ndarray] = field(default_factory=dict)
    flags: list[list[str]] | None = None


def target_influence(affinity: np.ndarray, targets: list[str]) -> dict[str, np.ndarray]:
    """Each row's influence on each target, the mean over the target's subtasks: float32 [n_rows].

    affinity float32 [n_rows, n_subtasks]; targets [n_subtasks]: the target of each subtask.
    """
    of = np.array(targets)
    by_target = {name: affinity[:, of == name] for name in dict.fromkeys(targets)}
    return {name: own.mean(1, dtype=np.float64).astype(np.float32) for name, own in by_target.items()}


def capability_of(selection: Selection, best: np.ndarray | None) -> np.ndarray | None:
    """The capability that each selected row was taken for, or else its best one: int [n]; None if unknown.

    best int [n_rows]: the best capability of each pool row.
    """
    return None if best is None else np.where(selection.capability < 0, best[selection.row], selection.capability)


def next_budget(n: int, share: float, least: int, n_rows: int) -> int:
    """A budget of `n` rows, enlarged by `share` but at least by `least` rows, up to `n_rows`."""
    return min(n_rows, n + max(least, math.ceil(share * n)))


def below(larger: Selection, chosen: np.ndarray, score: np.ndarray | None) -> np.ndarray:
    """Rows of a selection at a larger budget that are not in `chosen`: int64, highest score first."""
    rows = np.setdiff1d(larger.row, chosen)
    return rows if score is None else rows[np.argsort(-np.asarray(score)[rows], kind="stable")]


def neighbours(features: np.ndarray, chosen: np.ndarray, others: np.ndarray, exact_rows: int):
    """The nearest chosen row, by cosine, of each chosen row (other than itself) and of each of the others.

    features float32 [n_rows, d]; chosen, others int64, distinct rows. Returns (row int64, -1 if there is none; cosine
    float64), both [len(chosen) + len(others)]. The search is exact up to `exact_rows` chosen rows.
    """
    unit = unit_rows(features[chosen])
    index, cosine = nearest(unit, 1, "cosine", exact_rows)
    if not index.shape[1]:
        index, cosine = np.full((len(chosen), 1), -1), np.full((len(chosen), 1), np.nan)
    found, alike = index[:, 0].astype(np.int64), cosine[:, 0].astype(np.float64)
    if len(others) and len(chosen):
        near, product = matches(unit_rows(features[others]), unit, 1)
        found, alike = np.concatenate([found, near[:, 0]]), np.concatenate([alike, product[:, 0]])
    return np.where(found < 0, -1, chosen[found]), alike


def why_table(selection: Selection, next_rows: np.ndarray, ids: pa.Array, known: Measured, exact_rows: int) -> pa.Table:
    """One line per distinct selected row in training order, then one per row of `next_rows`.

    ids [n_rows]: of the pool's rows. rank and stage: the row's first use in training; null for `next_rows`.
    """
    rows, first = np.unique(selection.row, return_index=True)
    order = np.argsort(first)
    chosen, first = rows[order], first[order]
    all_rows = np.concatenate([chosen, next_rows]).astype(np.int64)
    is_chosen = np.arange(len(all_rows)) < len(chosen)

    def of_chosen(values: np.ndarray) -> pa.Array:
        return pa.array([*values.tolist(), *[None] * len(next_rows)], pa.int32())

    def of_all(values: np.ndarray | None, kind: pa.DataType) -> pa.Array:
        return pa.nulls(len(all_rows), kind) if values is None else pa.array(np.asarray(values)[all_rows], kind)

    capability = known.capability
    if capability is not None:
        capability = np.array(capability)
        capability[selection.row] = capability_of(selection, known.capability)
    near, cosine = neighbours(known.features, chosen, next_rows, exact_rows)
    flags = None if known.flags is None else [known.flags[row] for row in all_rows.tolist()]
    return pa.table(
        {
            "row": all_rows,
            "id": ids.take(pa.array(all_rows)),
            "chosen": is_chosen,
            "rank": of_chosen(first),
            "stage": of_chosen(selection.stage[first]),
            "score": of_all(known.score, pa.float64()),
            "capability": of_all(capability, pa.int32()),
            **{f"influence_{name}": of_all(values, pa.float32()) for name, values in known.influence.items()},
            "nearest": ids.take(pa.array(near, mask=near < 0)),
            "nearest_cosine": pa.array(cosine, pa.float32(), mask=near < 0),
            "flags": pa.array(flags or [None] * len(all_rows), pa.list_(pa.string())),
        }
    )


def flags_of(findings: pa.Table, ids: list[str]) -> list[list[str]]:
    """The checks that flag each pool row, in the order of cleaning's reports. findings: artifacts/cleaning's table."""
    flagged: dict[str, list[str]] = {}
    found = findings.filter(findings["flag"])
    for name, check in zip(found["id"].to_pylist(), found["check"].to_pylist(), strict=True):
        flagged.setdefault(name, []).append(check)
    return [flagged.get(name, []) for name in ids]
