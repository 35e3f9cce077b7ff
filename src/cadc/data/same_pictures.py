"""Pictures that stand in two places: in pool and scoring rows, or in rows that are aimed at and rows that are scored.

A picture is known by the bytes of its file, not by its name: one that was packed anew, say as a JPEG, is another.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from cadc.data.hub_layout import pictures_in
from cadc.data.pictures import file_digest


class Scored:
    """The pictures of scoring rows: `of` which tasks, by size in bytes and digest."""

    def __init__(self, files: dict[str, list[Path]]):
        """`files`: parquet files of each task's split, with their pictures in them."""
        self.of: dict[int, dict[bytes, list[str]]] = {}
        for task, paths in files.items():
            for _, image in pictures_in(paths):
                if image["bytes"] is not None:
                    tasks = self.of.setdefault(len(image["bytes"]), {}).setdefault(file_digest(image["bytes"]), [])
                    if task not in tasks:
                        tasks.append(task)
        self._file = lru_cache(1 << 20)(self._of_file)

    def _of_file(self, path: str) -> list[str]:
        same_size = self.of.get(os.path.getsize(path))  # few files are read: most have a size of their own
        return same_size.get(file_digest(Path(path).read_bytes()), []) if same_size else []

    def tasks(self, image: dict) -> list[str]:
        """The tasks that show the picture of a cell {bytes, path}."""
        if image["bytes"] is None:
            return self._file(image["path"])
        same_size = self.of.get(len(image["bytes"]))
        return same_size.get(file_digest(image["bytes"]), []) if same_size else []

    def shared(self, pictures: Iterable[tuple[str, dict]]) -> dict[str, list[str]]:
        """Task -> the rows that show one of its pictures, of (row, cell {bytes, path}) each."""
        found: dict[str, dict[str, None]] = {}
        for row, image in pictures:
            for task in self.tasks(image):
                found.setdefault(task, {})[row] = None
        return {task: list(rows) for task, rows in found.items()}


def draw(
    rows: Sequence[tuple[dict, str, str]], scored: Scored, name: str, n: int | None
) -> tuple[list[int], dict[str, list[str]]]:
    """`n` of the rows that are aimed at of target `name`, or all for None, and none with a picture of `scored`.

    rows: of each, first, {id, images}. A row's place in the draw hangs on its number alone, so that more rows add to
    fewer. Returns the numbers of the rows drawn, rising; and of each task the ids of rows that were passed over, since
    they show its pictures.
    """
    order: Iterable[int] = range(len(rows))
    if n is not None:
        order = sorted(order, key=lambda number: blake2b(f"{name} {number}".encode(), digest_size=8).digest())
    chosen, shared = [], {}
    for number in order:
        if n is not None and len(chosen) == n:
            break
        row = rows[number][0]
        found = scored.shared((row["id"], image) for image in row["images"])
        for task, ids in found.items():
            shared.setdefault(task, []).extend(ids)
        if not found:
            chosen.append(number)
    return sorted(chosen), shared
