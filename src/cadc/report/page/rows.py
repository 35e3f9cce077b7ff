"""The rows shown on the page (a sample of large pools): images, conversations, and which arms selected them and why."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import numpy as np
import pyarrow as pa

from cadc import artifacts
from cadc.data.wording import IMAGE_TOKEN
from cadc.report.page.figures import rounded
from cadc.report.page.pictures import Pictures

ROWS = 1500  # maximum: the file is in git and must open on a phone
BYTES = 9_000_000  # maximum for images and texts: keeps the whole page below 15 MB
CHARACTERS = 3000  # per turn
PICTURES = 4  # per row
NEAREST = 3
_AT_ONCE = 64  # rows per batch of similarities


def in_turn(chosen: dict[str, np.ndarray], n_pool: int, seed: int = 0) -> Iterator[int]:
    """Yield every row of the pool once, cycling over the arms and the unselected rows, each in random order.

    chosen: arm -> distinct rows, int64 [n]. Any prefix holds about the same number of rows of each arm and of
    unselected rows.
    """
    rng = np.random.default_rng(seed)
    rejected = np.setdiff1d(np.arange(n_pool), np.concatenate([*chosen.values(), np.empty(0, int)]))
    queues = [rng.permutation(own).tolist() for own in (*chosen.values(), rejected)]
    seen = set()
    for row in (row for turn in zip_longest(*queues) for row in turn if row is not None):
        if row not in seen:
            seen.add(row)
            yield row


def said(turns: list[dict]) -> list[list[str]]:
    """[[role, text]] without image tokens. Long texts are cut, with a note of the characters removed."""
    texts = [(turn["role"], turn["text"].replace(IMAGE_TOKEN, "").strip()) for turn in turns]
    return [
        [role, text if len(text) <= CHARACTERS else f"{text[:CHARACTERS]} [{len(text) - CHARACTERS} more characters]"]
        for role, text in texts
    ]


def sampled(pool: pa.Table, chosen: dict[str, np.ndarray]) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows to show in order, as {row, id, turns, pictures, more}, and the data URLs of their images.

    `pictures` are indices into the URLs; `more` is the number of images left out. The number of rows is limited by
    ROWS and BYTES.
    """
    pictures, rows, size = Pictures(), [], 0
    for row in in_turn(chosen, pool.num_rows):
        cell, n_before = pool.slice(row, 1).to_pylist()[0], len(pictures.addresses)
        turns = said(cell["turns"])
        shown = [pictures.place(image) for image in cell["images"][:PICTURES]]
        size += sum(len(address) for address in pictures.addresses[n_before:])
        size += sum(len(text.encode()) for _, text in turns)
        if size > BYTES or len(rows) == ROWS:
            del pictures.addresses[n_before:]
            break
        more = max(len(cell["images"]) - PICTURES, 0)
        rows.append({"row": row, "id": cell["id"], "turns": turns, "pictures": shown, "more": more})
    return sorted(rows, key=lambda one: one["row"]), pictures.addresses


def picked(arms: dict[str, dict[int, pa.Table]], shown: list[int]) -> list[dict[str, list[int]]]:
    """For each row shown: arm -> [seeds that selected it, first position in training, stage, capability, 1 or 0].

    Position (from 1), stage and capability (-1 if the method has none) come from the first seed that selected the row;
    the last value is 1 if that is the arm's first seed. arms: every seed's rows in training order
    (`results.load_selections`).
    """
    out: list[dict[str, list[int]]] = [{} for _ in shown]
    at = {row: i for i, row in enumerate(shown)}
    for arm, seeds in arms.items():
        for k, table in enumerate(seeds.values()):
            columns = [table[name].to_pylist() for name in ("row", "stage", "capability")]
            seen = set()
            for place, (row, stage, capability) in enumerate(zip(*columns, strict=True), 1):
                if row in at and row not in seen:
                    seen.add(row)
                    out[at[row]].setdefault(arm, [0, place, stage, capability, int(k == 0)])[0] += 1
    return out


def scored(columns: dict[str, np.ndarray], shown: list[int]) -> list[list[list[float | None]]]:
    """For each row shown and each column: its value, and the percentage of pool rows with a lower value."""
    made = []
    for column in columns.values():
        below = np.searchsorted(np.sort(column), column[shown]) * 100 / len(column)
        made.append([[rounded(value, 3), round(share, 1)] for value, share in zip(column[shown], below, strict=True)])
    return [list(values) for values in zip(*made, strict=True)] or [[] for _ in shown]


def nearest(shown: list[int], ids: pa.ChunkedArray) -> list[list[list]]:
    """For each row shown: the NEAREST pool rows by image and text embeddings, as [row, id, cosine].

    Empty if the embeddings are not available. Ties are broken by row.
    """
    paths = [artifacts.EMBEDDINGS / f"{name}.npy" for name in ("image", "text")]
    if not all(path.exists() for path in paths):
        return [[] for _ in shown]
    views = np.concatenate([np.asarray(artifacts.load_array(path)) for path in paths], axis=1)
    views /= np.maximum(np.linalg.norm(views, axis=1, keepdims=True), 1e-12)
    out = []
    for start in range(0, len(shown), _AT_ONCE):
        own = np.array(shown[start : start + _AT_ONCE])
        cosines = np.round(views[own] @ views.T, 5)
        cosines[np.arange(len(own)), own] = -2
        for line in cosines:
            best = np.lexsort((near := np.argpartition(-line, min(NEAREST, len(line) - 1)), -line[near]))[:NEAREST]
            out.append([[int(i), ids[int(i)].as_py(), round(float(line[i]), 3)] for i in near[best] if line[i] > -2])
    return out
