"""The mix of a pool version: its rows by source and by question type, and its changes since the previous version
(ours).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np

from cadc.data.lineage import Change
from cadc.metabolism.reasoning import REASON

OTHER_KINDS = "not probed"  # question types without a probe row


@dataclass(frozen=True)
class Mix:
    """One version: rows by source and by kind, and the number of changes since the previous version.

    collected: added from the reserve; copied: added as another copy of an existing row; rewritten: given another
    answer; reasoned: given steps before the same answer.
    """

    version: str
    sources: dict[str, int]
    kinds: dict[str, int]
    collected: int = 0
    copied: int = 0
    rewritten: int = 0
    reasoned: int = 0
    dropped: int = 0

    @property
    def n_rows(self) -> int:
        return sum(self.sources.values())


def _done(change: Change, reserve: Set[str]) -> str:
    """The kind of a change, as counted in a mix."""
    if change.action == "add":
        return "collect" if change.source in reserve else "copy"
    return REASON if change.reason == REASON else change.action


def mix_of(
    version: str,
    sources: Sequence[str],
    home: np.ndarray,
    names: Sequence[str],
    made_by: list[Change],
    reserve: Set[str],
) -> Mix:
    """The mix of a version with rows of these `sources` [n] and kinds (home int [n], index into `names`; -1 for none).

    made_by: the changes since the previous version; reserve: the ids of the reserve's rows.
    """
    actions = Counter(_done(change, reserve) for change in made_by)
    kinds = Counter(names[k] if k >= 0 else OTHER_KINDS for k in home.tolist())
    return Mix(
        version,
        dict(sorted(Counter(sources).items())),
        dict(sorted(kinds.items())),
        actions["collect"],
        actions["copy"],
        actions["rewrite"],
        actions[REASON],
        actions["drop"],
    )
