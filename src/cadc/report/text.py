"""Tables in Markdown, and what reports say of something that is not there yet."""

from __future__ import annotations

NOT_MADE = "not made yet"


def markdown(header: list[str], body: list[list[str]]) -> str:
    """A GitHub table, the first column to the left and the others to the right."""
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join([":--", *["--:"] * (len(header) - 1)]) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in body)]) + "\n"
