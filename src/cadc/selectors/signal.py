"""What a selector may see: arrays alone, never a file, a model or a label."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Signal:
    """The pool as a selector sees it.

    n_rows: pool size. task str [n_rows]: the source a row comes from. influence float32 [n_rows, n_capabilities] and
    self_influence float32 [n_snapshots, n_rows]: there for methods whose signal is `capabilities`.
    """

    n_rows: int
    task: np.ndarray
    influence: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    self_influence: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
