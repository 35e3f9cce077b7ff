"""Numbers that are not finite, found where they are made or read, and named by row.

A NaN sorts as the highest, loses every comparison and passes for 0 where a norm is asked to be above 0: behind such a
number no choice means anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cadc.config.errors import InputError

_BLOCK = 1 << 24  # numbers looked at at a time: an array may be larger than memory
_NAMED = 3  # rows that a message names


def not_finite(array: np.ndarray, axis: int = 0) -> np.ndarray:
    """The places on `axis` of a float array at which any number is NaN or infinite: int64, rising."""
    array = np.asanyarray(array)
    if not np.issubdtype(array.dtype, np.floating):
        return np.empty(0, np.int64)
    n = array.shape[axis]
    step = max(1, _BLOCK * n // max(array.size, 1))
    others = tuple(k for k in range(array.ndim) if k != axis)
    found = [np.empty(0, np.int64)]
    for start in range(0, n, step):
        block = array[(slice(None),) * axis + (slice(start, start + step),)]
        found.append(start + np.flatnonzero(~np.isfinite(block).all(axis=others)))
    return np.concatenate(found)


def refuse_not_finite(
    arrays: Mapping[str, np.ndarray], axis: int, names: Sequence | None = None, what: str = "row", fix: str = ""
) -> None:
    """Raise InputError at the first of `arrays` with a number that is not finite, naming the places on `axis`.

    names: what each place is called, of any type (None: by number). what: what a place is. fix: what to do about it.
    """
    for array_name, array in arrays.items():
        bad = not_finite(array, axis)
        if len(bad):
            said = ", ".join(str(at if names is None else names[int(at)]) for at in bad[:_NAMED])
            more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
            count = f" ({len(bad)} of {array.shape[axis]})" if len(bad) > 1 else ""
            raise InputError(
                f"{array_name} is not finite (NaN or infinite) in {what} {said}{more}{count}{'; ' if fix else ''}{fix}"
            )
