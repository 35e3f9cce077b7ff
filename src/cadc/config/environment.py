"""Whole numbers from environment variables, checked like those of params.yaml."""

from __future__ import annotations

import os

from cadc.config.errors import InputError


def whole_number(name: str, least: int) -> int | None:
    """The whole number in the environment variable `name`; None if it is not set. Raises InputError if it is not a
    whole number of at least `least`."""
    said = os.environ.get(name)
    if not said:
        return None
    try:
        if (number := int(said)) >= least:
            return number
    except ValueError:
        pass
    raise InputError(f"{name} is {said!r}; give a whole number of at least {least}, such as {name}={max(least, 2)}")
