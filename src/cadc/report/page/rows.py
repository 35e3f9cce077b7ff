"""The rows that the page holds: a sample of large pools, with pictures, conversations, who chose them, and why."""

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

ROWS = 1500  # at most: the file is in git, and one that a reader opens on a phone
BYTES = 9_000_000  # of their pictures and texts, at most: the whole page stays below 15 MB
CHARACTERS = 3000  # of one turn
PICTURES = 4  # of one row
NEAREST = 3
_AT_ONCE = 64  # rows whose similarity to all others is held at a time


def in_turn(chosen: dict[str, np.ndarray], n_pool: int, seed: int = 0) -> Iterator[int]:
    """Every row of the pool once: in turn one of each arm's and one that no arm chose, each drawn at random.

    chosen: int64 [n], the different rows of each arm. Any beginning holds arms, and rejected rows, about alike.
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
    """[[role, text]] without image marks; a long text is cut, and says by how much."""
    texts = [(turn["role"], turn["text"].replace(IMAGE_TOKEN, "").strip()) for turn in turns]
    return [
        [role, text if len(text) <= CHARACTERS else f"{text[:CHARACTERS]} [{len(text) - CHARACTERS} characters more]"]
        for role, text in texts
    ]


def sampled(pool: pa.Table, chosen: dict[str, np.ndarray]) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows to show, by number, as {row, id, turns, pictures, more}, and the addresses of their pictures.

    `pictures` are places among the addresses; `more` is how many pictures are left out. As many rows as ROWS and
    BYTES allow, all of a small pool.
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
    """Of each row shown, arm -> [seeds that chose it, first place in training, stage, capability, 1 or 0].

    Place (from 1), stage and capability (-1: the method has none) are of the first seed that chose it; 1: that is the
    arm's first seed. arms: every seed's rows in training order (`results.load_selections`).
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
    """Of each row shown, for every column its value and the share of the pool's rows below it, in percent."""
    made = []
    for column in columns.values():
        below = np.searchsorted(np.sort(column), column[shown]) * 100 / len(column)
        made.append([[rounded(value, 3), round(share, 1)] for value, share in zip(column[shown], below, strict=True)])
    return [list(values) for values in zip(*made, strict=True)] or [[] for _ in shown]


def nearest(shown: list[int], ids: pa.ChunkedArray) -> list[list[list]]:
    """Of each row shown, the NEAREST rows of the whole pool by pictures and words, as [row, id, cosine].

    Nothing where the embeddings are not at hand. Ties by row.
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
