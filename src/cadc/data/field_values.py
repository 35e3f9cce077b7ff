"""Interpret the values of unknown fields: given or empty, yes or no, weights, coordinates, texts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from cadc.data.field_names import kinds, spelt

_NOTHING = {"", "[]", "{}", '[""]', "none", "null", "nan"}  # how tables and scripts write a missing value
_BOX = re.compile(r"[(\[]\s*\d[\d.]*\s*[,;]\s*\d|\d[\d.]*(?:\s*[,;\s]\s*\d[\d.]*){3}")
_SIDES = {"x", "y", "x0", "x1", "xmin", "left", "cx"}


def given(value) -> bool:
    """Whether a field holds a value; tables have empty cells for rows without one."""
    if isinstance(value, dict | list):
        return any(map(given, value.values() if isinstance(value, dict) else value))
    if isinstance(value, str):
        return value.strip().lower() not in _NOTHING
    return value is not None and value is not False and value == value  # pandas writes NaN for a missing value


def says(value) -> bool:
    """Whether a field that should be empty holds a value; 0 and `false` count as empty."""
    if isinstance(value, str):
        return given(value) and not is_off(value)
    return given(value) and value not in (0, b"")


def is_one(value) -> bool:
    """Whether every weight in a value is 1 or missing."""
    if isinstance(value, list):
        return all(map(is_one, value))
    try:
        return value is None or math.isnan(float(value)) or float(value) == 1
    except (TypeError, ValueError, OverflowError):
        return isinstance(value, str)  # text other than a number is not a weight


def is_off(value) -> bool:
    """Whether a value, or one nested in it, means no."""
    if isinstance(value, list):
        return any(map(is_off, value))
    if isinstance(value, str):
        return value.strip().lower() in ("false", "0", "0.0", "no", "off")
    return value in (False, 0)


def is_on(value) -> bool:
    """Whether a value, or one nested in it, means yes."""
    if isinstance(value, list):
        return any(map(is_on, value))
    if isinstance(value, str):
        return value.strip().lower() in ("true", "1", "1.0", "yes", "on")
    return isinstance(value, int | float) and says(value)


def holds_places(value) -> bool:
    """Whether a value holds coordinates rather than names or counts."""
    if isinstance(value, str):
        return bool(_BOX.search(value))
    if isinstance(value, dict):
        known = {spelt(str(key)) for key, each in value.items() if given(each)}
        return bool(known & _SIDES) or any("places" in kinds(key) for key in known) or holds_places([*value.values()])
    if isinstance(value, list):
        numbers = [each for each in value if isinstance(each, int | float) and not isinstance(each, bool)]
        return (len(numbers) > 1 and len(numbers) == len(value)) or any(map(holds_places, value))
    return False


def texts_of(value) -> Iterator[str]:
    """The texts in a value, without the roles of turns."""
    if isinstance(value, str) and given(value):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from () if key in ("role", "from", "type") else texts_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_of(each)
