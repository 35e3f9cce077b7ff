"""Row ids. One rule serves both reading a pool and finding a pool row's original record again."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from cadc.data.field_values import given
from cadc.data.json_rows import Unusable
from cadc.data.reasons import check_text, fail, is_blank, shown


def id_of(value, what: str = "id") -> str:
    """A row's id as text. It must be visible text or a finite number; otherwise raises InputError with the fix."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        fail(f"the {what} is {shown(value)}; make it a text or a number")
    if isinstance(value, float) and math.isinf(value):
        fail(f"the {what} is an infinite number ({value}); write it as a text")
    if not given(value) or is_blank(str(value)):  # pandas writes NaN for a missing value
        fail(f"the {what} is missing{'' if value is None else f': {shown(value)}'}; give every row its own")
    return check_text(str(value), what)


def with_ids(records: Iterable, repeated_ids: str) -> Iterator[tuple[str, Any, str]]:
    """(id, record, fault) per record: its id in the pool, and '' or the reason why it can't be used.

    With `repeated_ids: number`, a repeated id becomes ID#2, ID#3... A record with a fault keeps the id it states, or is
    named by its position: `row 7`.
    """
    seen: dict[str, int] = {}
    times: Counter[str] = Counter()
    for number, record in enumerate(records):
        name, fault = f"row {number}", ""
        try:
            if isinstance(record, Unusable):
                name = str(record.id) if isinstance(record.id, str | int) else name
                fail(record.reason)
            if not isinstance(record, dict):
                fail(f"is {shown(record)}, not a JSON object; write it as {{id, image, conversations}}")
            name = given_id = id_of(record.get("id"))
            while name in seen and repeated_ids == "number":
                times[given_id] += 1
                name = f"{given_id}#{times[given_id] + 1}"
            if name in seen:
                fail(f"row {seen[name]} already has this id; give every row its own, or set pool.repeated_ids: number")
            seen[name] = number
        except (ValueError, RecursionError) as error:
            fault = str(error)
        yield name, record, fault
