"""What a selector may see: arrays alone, never a file, a model or a label."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Signal:
    """The pool as a selector sees it.

    n_rows: pool size. task str [n_rows]: the source a row comes from. For methods whose signal is `capabilities`:
    influence float32 [n_rows, n_capabilities] on capabilities, affinity and purity float32 [n_rows,
    n_subtasks] (what a row is about, and whether it is of use there), capability int32 and weight float64 [n_subtasks], self_influence float32 [n_snapshots, n_rows].
    """

    n_rows: int
    task: np.ndarray
    influence: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    affinity: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    purity: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    capability: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    weight: np.ndarray = field(default_factory=lambda: np.empty(0))
    self_influence: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
