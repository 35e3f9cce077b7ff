"""What a stage says while it runs: a live bar on a terminal, plain lines elsewhere. The only module that imports
rich."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

_console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)


_live = _console.is_terminal


def mute() -> None:
    """No bars in this process: a worker's would fight over the terminal with its parent's."""
    global _live
    _live = False


def line(text: str) -> None:
    """Print one line above any live bar."""
    _console.print(text, markup=False, soft_wrap=True)


def track(items: Iterable, label: str, total: int | None = None) -> Iterator:
    """Iterate over `items` behind a progress bar; silent unless the output is a terminal."""
    total = len(items) if total is None and hasattr(items, "__len__") else total
    if not _live:
        yield from items
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_console, transient=True) as progress:
        task = progress.add_task(label, total=total)
        for item in items:
            yield item
            progress.advance(task)


def table(title: str, header: list[str], rows: list[list[str]]) -> None:
    """Print a table, the first column to the left and the others to the right."""
    drawn = Table(title=title, title_justify="left")
    for i, name in enumerate(header):
        drawn.add_column(name, justify="left" if i == 0 else "right")
    for row in rows:
        drawn.add_row(*row)
    _console.print(drawn)
