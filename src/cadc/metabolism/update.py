"""Update: from recommendations, flags and the reserve to the changes that make the next version (ours)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cadc.cleaning.findings import Findings
from cadc.cleaning.flags import COPIES, any_flag, why
from cadc.config.metabolism import Rules
from cadc.data.lineage import Change
from cadc.metabolism.diagnosis import Diagnosis


@dataclass(frozen=True)
class Stand:
    """A version as an update finds it. ids of its rows and of the reserve's that may be added; home int32, of both; flags of the pool's rows; new answers by row,
    where a rewrite was accepted, with the old ones.
    """

    ids: list[str]
    home: np.ndarray
    flags: dict[str, Findings]
    reserve_ids: list[str]
    reserve_home: np.ndarray
    rewrites: dict[int, tuple[tuple[str, ...], tuple[str, ...]]]


def update(stand: Stand, found: list[Diagnosis], version: int, rules: Rules, rng: np.random.Generator) -> list[Change]:
    """The changes that carry out every subtask's recommendation; home counts subtasks in the order of `found`.

    clean drops flagged rows; rewrite puts accepted answers in the place of theirs and drops what else is flagged, but for copies; down-sample drops flagged rows first, then any, down to `dense` times the usual
    number; collect and up-sample add rows of the reserve or further copies of rows that are not flagged, up to the usual number, or by `grow` of it where that is
    more, and at most one copy of each row. What is drawn is drawn by `rng`.
    """
    flagged = any_flag(stand.flags, len(stand.ids))
    changes = []
    for subtask, diagnosis in enumerate(found):
        rows = np.flatnonzero(stand.home == subtask)
        changes += _carried_out(
            stand, diagnosis, rows, flagged, np.flatnonzero(stand.reserve_home == subtask), version, rules, rng
        )
    return changes


def _carried_out(
    stand: Stand,
    found: Diagnosis,
    rows: np.ndarray,
    flagged: np.ndarray,
    reserve: np.ndarray,
    version: int,
    rules: Rules,
    rng: np.random.Generator,
) -> Iterator[Change]:
    said = f"{found.action} {found.name}"
    clean = rows[~flagged[rows]]
    wanted = max(0, round(max(found.usual - len(clean), rules.grow * found.usual)))
    if found.action == "clean":
        for row in rows[flagged[rows]]:
            yield Change(stand.ids[row], version, "drop", reason=f"{said}; {why(stand.flags, row)}")
    elif found.action == "rewrite":
        faults = {name: flag for name, flag in stand.flags.items() if name != COPIES}
        for row in rows[any_flag(faults, len(stand.ids))[rows]]:
            if int(row) in stand.rewrites:
                before, after = stand.rewrites[int(row)]
                yield Change(
                    stand.ids[row], version, "rewrite", before=before, after=after, reason=f"{said}; {why(faults, row)}"
                )
            else:
                yield Change(stand.ids[row], version, "drop", reason=f"{said}, no new answer; {why(faults, row)}")
    elif found.action == "down-sample":
        drawn = rng.permutation(rows)
        last = drawn[np.argsort(~flagged[drawn], kind="stable")]
        for row in sorted(last[: max(0, len(rows) - round(rules.dense * found.usual))]):
            yield Change(stand.ids[row], version, "drop", reason=f"{said}; {found.reason}")
    elif found.action == "collect":
        for row in sorted(rng.permutation(reserve)[:wanted]):
            yield Change(
                stand.reserve_ids[row], version, "add", stand.reserve_ids[row], reason=f"{said}; {found.reason}"
            )
    elif found.action == "up-sample":
        for row in sorted(rng.permutation(clean)[:wanted]):
            yield Change(
                f"{stand.ids[row]}~{version}", version, "add", stand.ids[row], reason=f"{said}; {found.reason}"
            )
