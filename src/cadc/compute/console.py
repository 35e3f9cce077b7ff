"""Console output of stages: a live bar on a terminal, a line every few minutes elsewhere. The only module that imports
rich."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterable, Iterator, Sized

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

_console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
_live = _console.is_terminal
#: Seconds between two lines of `track` without a bar. Short runs print nothing.
EVERY = 180.0
_said: dict[str, float] = {}  # figures noted by the current loop


def mute() -> None:
    """Disable bars in this process: a worker's bars would collide with its parent's."""
    global _live
    _live = False


def line(text: str) -> None:
    """Print one line above any live bar."""
    _console.print(text, markup=False, soft_wrap=True)


def note(**figures: float) -> None:
    """Note figures of the current loop, such as its loss, for the next line of `track`."""
    _said.update(figures)


def track(items: Iterable, label: str, total: int | None = None) -> Iterator:
    """Iterate over `items` with a progress bar; off a terminal, print a line every few minutes with rate, noted
    figures, peak memory and time left."""
    total = len(items) if total is None and isinstance(items, Sized) else total
    if not _live:
        yield from items if _console.is_terminal else _with_lines(items, label, total)
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


def _with_lines(items: Iterable, label: str, total: int | None) -> Iterator:
    started = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last >= EVERY:
            last = now
            line(progress_line(label, done, total, now - started))
            sys.stdout.flush()
    _said.clear()


def progress_line(label: str, done: int, total: int | None, seconds: float) -> str:
    """A line on a loop's progress after `seconds`."""
    rate = done / seconds
    speed = f"{rate:.1f}/s" if rate >= 1 else f"{1 / rate:.1f} s each"
    memory = [f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB of memory"]
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        memory.append(f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB of the GPU's")
    figures = [f"{name} {value:.4g}" for name, value in _said.items()]
    left = [f"{_duration((total - done) / rate)} left"] if total else []
    return f"{label}: {done} of {total or '?'}, " + ", ".join([speed, *figures, *memory, *left])


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def table(title: str, header: list[str], rows: list[list[str]]) -> None:
    """Print a table with the first column left-aligned and the others right-aligned."""
    drawn = Table(title=title, title_justify="left")
    for i, name in enumerate(header):
        drawn.add_column(name, justify="left" if i == 0 else "right")
    for row in rows:
        drawn.add_row(*row)
    _console.print(drawn)
