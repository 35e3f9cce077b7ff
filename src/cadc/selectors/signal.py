"""What a selector may see: arrays only, never a file, a model or a label."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cadc.compute.finite import refuse_not_finite
from cadc.config.errors import InputError


@dataclass(frozen=True)
class Signal:
    """The pool as a selector sees it. `signal["name"]` is an array of the artifact that the method declares.

    n_rows: pool size. task str [n_rows]: the source of each row. arrays: by name; `cadc.artifacts` lists names, shapes
    and dtypes under the folder of the arm's `signal`. A function instead of an array is called on access. Every method
    has `words` int64 [n_rows], the number of words in a row's answers. ids: row names for messages (empty: numbers).
    """

    n_rows: int
    task: np.ndarray
    arrays: Mapping[str, np.ndarray | Callable[[], np.ndarray]] = field(default_factory=dict)
    ids: Sequence = ()
    _finite: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def of_rows(self, rows: np.ndarray) -> Signal:
        """The signal of some rows, int64 ascending; rows are renumbered but keep their ids."""

        def part(name: str) -> np.ndarray:
            array = self[name]
            axis = next((axis for axis in (0, 1) if array.ndim > axis and array.shape[axis] == self.n_rows), None)
            return array if axis is None else np.take(array, rows, axis)

        arrays = {name: (lambda name=name: part(name)) for name in self.arrays}
        ids = [self.ids[int(row)] for row in rows] if len(self.ids) else ()
        return Signal(len(rows), self.task[rows], arrays, ids)

    def __getitem__(self, name: str) -> np.ndarray:
        """The array `name`. Raises InputError if the signal lacks it, or naming rows if it is not finite."""
        if name not in self.arrays:
            known = ", ".join(sorted(self.arrays)) or "none"
            raise InputError(
                f"a method needs the array {name}, but its signal has {known}: set the arm's `signal` to an artifact "
                "that holds it" + ("; embeddings hold texts if embed.tower reads them" if name == "text" else "")
            )
        array = self.arrays[name]
        array = array() if callable(array) else array
        if name not in self._finite:
            by_row = next((axis for axis in (0, 1) if array.ndim > axis and array.shape[axis] == self.n_rows), None)
            names, what = (None, "place") if by_row is None else (self.ids if len(self.ids) else None, "row")
            refuse_not_finite({f"array {name}": array}, by_row or 0, names, what, "run the stage that makes it again")
            self._finite.add(name)
        return array
