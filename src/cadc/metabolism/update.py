"""Turn recommendations, flags and the reserve into the changes for the next version (ours)."""

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
class State:
    """A version before its update.

    ids: of its rows; reserve_ids: of reserve rows that may be added; home, reserve_home int32: their kinds; flags: of
    the pool's rows; rewrites: old and new answers by row, for accepted rewrites.
    """

    ids: list[str]
    home: np.ndarray
    flags: dict[str, Findings]
    reserve_ids: list[str]
    reserve_home: np.ndarray
    rewrites: dict[int, tuple[tuple[str, ...], tuple[str, ...]]]


def update(state: State, found: list[Diagnosis], version: int, rules: Rules, rng: np.random.Generator) -> list[Change]:
    """The changes that carry out every subtask's recommendation; home is an index into `found`.

    - clean drops flagged rows.
    - rewrite replaces answers that have an accepted new one, and drops other flagged rows, except copies.
    - down-sample drops flagged rows first, then others, down to `dense` times the usual number.
    - collect and up-sample add reserve rows, or copies of unflagged rows: up to the usual number, or by `grow` of it if
      that is more, and at most one copy of each row.

    All draws use `rng`.
    """
    flagged = any_flag(state.flags, len(state.ids))
    changes = []
    for subtask, diagnosis in enumerate(found):
        rows = np.flatnonzero(state.home == subtask)
        changes += _carried_out(
            state, diagnosis, rows, flagged, np.flatnonzero(state.reserve_home == subtask), version, rules, rng
        )
    return changes


def _carried_out(
    state: State,
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
            yield Change(state.ids[row], version, "drop", reason=f"{said}; {why(state.flags, row)}")
    elif found.action == "rewrite":
        faults = {name: flag for name, flag in state.flags.items() if name != COPIES}
        for row in rows[any_flag(faults, len(state.ids))[rows]]:
            if int(row) in state.rewrites:
                before, after = state.rewrites[int(row)]
                yield Change(
                    state.ids[row], version, "rewrite", before=before, after=after, reason=f"{said}; {why(faults, row)}"
                )
            else:
                yield Change(state.ids[row], version, "drop", reason=f"{said}, no new answer; {why(faults, row)}")
    elif found.action == "down-sample":
        drawn = rng.permutation(rows)
        last = drawn[np.argsort(~flagged[drawn], kind="stable")]
        for row in sorted(last[: max(0, len(rows) - round(rules.dense * found.usual))]):
            yield Change(state.ids[row], version, "drop", reason=f"{said}; {found.reason}")
    elif found.action == "collect":
        for row in sorted(rng.permutation(reserve)[:wanted]):
            yield Change(
                state.reserve_ids[row], version, "add", state.reserve_ids[row], reason=f"{said}; {found.reason}"
            )
    elif found.action == "up-sample":
        for row in sorted(rng.permutation(clean)[:wanted]):
            yield Change(
                f"{state.ids[row]}~{version}", version, "add", state.ids[row], reason=f"{said}; {found.reason}"
            )
