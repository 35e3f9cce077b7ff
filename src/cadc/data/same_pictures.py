"""Detect images that occur in both pool and scoring rows, or in both target and scoring rows.

Images are compared by the bytes of their files, not by name. A re-encoded copy counts as another image.
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
    """Images of the scoring rows: `of` maps size in bytes and digest to the tasks that show the image."""

    def __init__(self, files: dict[str, list[Path]]):
        """`files`: parquet files of each task's split, with embedded images."""
        self.of: dict[int, dict[bytes, list[str]]] = {}
        for task, paths in files.items():
            for _, image in pictures_in(paths):
                if image["bytes"] is not None:
                    tasks = self.of.setdefault(len(image["bytes"]), {}).setdefault(file_digest(image["bytes"]), [])
                    if task not in tasks:
                        tasks.append(task)
        self._file = lru_cache(1 << 20)(self._of_file)

    def _of_file(self, path: str) -> list[str]:
        same_size = self.of.get(os.path.getsize(path))  # most sizes are unique, so few files are read
        return same_size.get(file_digest(Path(path).read_bytes()), []) if same_size else []

    def tasks(self, image: dict) -> list[str]:
        """The tasks that show the image of a cell {bytes, path}."""
        if image["bytes"] is None:
            return self._file(image["path"])
        same_size = self.of.get(len(image["bytes"]))
        return same_size.get(file_digest(image["bytes"]), []) if same_size else []

    def shared(self, pictures: Iterable[tuple[str, dict]]) -> dict[str, list[str]]:
        """Task -> ids of the rows that show one of its images, from (row, cell {bytes, path}) pairs."""
        found: dict[str, dict[str, None]] = {}
        for row, image in pictures:
            for task in self.tasks(image):
                found.setdefault(task, {})[row] = None
        return {task: list(rows) for task, rows in found.items()}


def draw(
    rows: Sequence[tuple[dict, str, str]], scored: Scored, name: str, n: int | None
) -> tuple[list[int], dict[str, list[str]]]:
    """Draw `n` target rows (all if None) of target `name`, without rows that show an image of `scored`.

    rows: tuples whose first item is {id, images}. The order of the draw depends only on a row's number, so a larger n
    extends a smaller draw. Returns the numbers of the drawn rows, ascending, and for each task the ids of the rows that
    were passed over because they show one of its images.
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
