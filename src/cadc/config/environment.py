"""Whole numbers that the environment gives, checked like those of params.yaml."""

from __future__ import annotations

import os

from cadc.config.errors import InputError


def whole_number(name: str, least: int) -> int | None:
    """The whole number in the environment variable `name`; None where it is not set. Raises InputError where it is no
    whole number, or below `least`."""
    said = os.environ.get(name)
    if not said:
        return None
    try:
        if (number := int(said)) >= least:
            return number
    except ValueError:
        pass
    raise InputError(f"{name} is {said!r}; give a whole number from {least} on, as in {name}={max(least, 2)}")
