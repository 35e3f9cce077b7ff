"""What a selector may see: arrays alone, never a file, a model or a label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Signal:
    """The pool as a selector sees it: `signal["name"]` is an array of the artifact that the method declares.

    n_rows: pool size. task str [n_rows]: the source a row comes from. The arrays' names, shapes and dtypes
    stand in artifacts.py, under the folder that `signal` names; of the pool itself there is `words` int64 [n_rows], the words in answers.
    """

    n_rows: int
    task: np.ndarray
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.arrays:
            raise KeyError(f"a method asks for the array {name}, and its signal has {', '.join(sorted(self.arrays)) or 'none'}: see `methods` in params.yaml")
        return self.arrays[name]
