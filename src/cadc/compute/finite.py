"""Find non-finite numbers where they are made or read, and name their rows.

A NaN sorts as the highest value, fails every comparison and passes for 0 in a test for a positive norm, so a selection
based on one is meaningless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cadc.config.errors import InputError

_BLOCK = 1 << 24  # numbers checked at a time, because an array may be larger than memory
_NAMED = 3  # rows named in a message


def not_finite(array: np.ndarray, axis: int = 0) -> np.ndarray:
    """The places on `axis` of a float array with any NaN or infinite number: int64, ascending."""
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
    """Raise InputError for the first of `arrays` with a non-finite number, naming the places on `axis`.

    names: of the places, of any type (None: numbers). what: the kind of place. fix: what to do about it.
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
