"""Markdown tables, and the text for results that do not exist yet."""

from __future__ import annotations

NOT_MADE = "not made yet"


def markdown(header: list[str], body: list[list[str]]) -> str:
    """A GitHub table: first column left-aligned, the others right-aligned."""
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join([":--", *["--:"] * (len(header) - 1)]) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in body)]) + "\n"
