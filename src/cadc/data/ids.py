"""The ids of a pool's records: one rule for who reads them into the pool and who finds a row's own record again."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from cadc.data.field_values import given
from cadc.data.json_rows import Unusable
from cadc.data.reasons import check_text, fail, is_blank, shown


def id_of(value, what: str = "id") -> str:
    """The text of a row's id, a text that can be seen or a finite number. Raises InputError with the fix."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        fail(f"has the {what} {shown(value)}; make it a text or a number")
    if isinstance(value, float) and math.isinf(value):
        fail(f"has a number without end as {what} ({value}); write it as a text")
    if not given(value) or is_blank(str(value)):  # pandas writes NaN where none is
        fail(f"has no {what}{'' if value is None else f' but {shown(value)}'}; give every row its own")
    return check_text(str(value), what)


def with_ids(records: Iterable, repeated_ids: str) -> Iterator[tuple[str, Any, str]]:
    """(id, record, fault) of each record: the id that it has in the pool, and '' or why it is none of the pool's.

    With `repeated_ids: number` an id that was there before becomes ID#2, ID#3... A record with a fault goes by the id
    that it gives, or by its number: `row 7`.
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
                fail(f"is {shown(record)}, no JSON object; write it as {{id, image, conversations}}")
            name = given_id = id_of(record.get("id"))
            while name in seen and repeated_ids == "number":
                times[given_id] += 1
                name = f"{given_id}#{times[given_id] + 1}"
            if name in seen:
                fail(
                    f"the id is already that of row {seen[name]}; give every row its own, "
                    "or set pool.repeated_ids: number"
                )
            seen[name] = number
        except (ValueError, RecursionError) as error:
            fault = str(error)
        yield name, record, fault
