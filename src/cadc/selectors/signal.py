"""What a selector may see: arrays alone, never a file, a model or a label."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Signal:
    """The pool as a selector sees it: `signal["name"]` is an array of the artifact that the method declares.

    n_rows: pool size. task str [n_rows]: the source a row comes from. Of every row there is `words` int64 [n_rows], the words in its
    answers, counted when it is asked for; the other arrays' names, shapes and dtypes stand in `cadc.artifacts`, under the folder that `signal` names.
    """

    n_rows: int
    task: np.ndarray
    arrays: Mapping[str, np.ndarray | Callable[[], np.ndarray]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.arrays:
            raise KeyError(
                f"a method asks for the array {name}, and its signal has {', '.join(sorted(self.arrays)) or 'none'}: see `methods` in params.yaml"
            )
        array = self.arrays[name]
        return array() if callable(array) else array
