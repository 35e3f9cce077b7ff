"""The environment variables and the locale of a process, checked like params.yaml."""

from __future__ import annotations

import os
import sys

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


def refuse_other_encodings() -> None:
    """Raise InputError if this process does not decode file names as UTF-8: a name that is not ASCII would not be
    found, or would be another one in tables."""
    if sys.getfilesystemencoding() != "utf-8":
        raise InputError(
            f"this process decodes file names as {sys.getfilesystemencoding()}; set PYTHONUTF8=1 or a UTF-8 locale, "
            "such as LC_ALL=C.UTF-8"
        )
