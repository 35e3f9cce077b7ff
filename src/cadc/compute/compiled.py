"""Functions compiled by numba. What it compiles is kept beside the sources or in the user's cache, if either can be
written: a checkout or an image that is read-only must not keep a module from being imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def njit(**options: Any) -> Callable[[Callable], Callable]:
    """`numba.njit` with `cache=True` where numba finds a place for it; elsewhere each process compiles anew."""

    def compiled(function: Callable) -> Callable:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # "no locator available"
            return numba.njit(**options)(function)

    return compiled
