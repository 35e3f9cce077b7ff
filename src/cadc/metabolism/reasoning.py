"""Which rows a round has answered step by step, and what becomes of the answers (ours)."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa

from cadc.cleaning.reasoning import TOKENS, accepted, asked_of, is_reasoned, summary
from cadc.cleaning.rewriting import Rewrites
from cadc.compute.endpoint import Endpoint
from cadc.config.params import Params
from cadc.data.lineage import Change, version_of
from cadc.metabolism.diagnosis import Diagnosis
from cadc.metabolism.steps import REASONING
from cadc.model.fit import Fit

REASON = "answered step by step"
TOO_LONG = "longer than the model takes"


def drawn(able: np.ndarray, home: np.ndarray, found: list[Diagnosis], n: int, rng: np.random.Generator) -> np.ndarray:
    """Up to `n` of the rows that are `able` (bool [n_rows]), in order: int64.

    A row is drawn in proportion to how often the models fail at reasoning when its kind is asked: home int [n_rows],
    -1 for none, counts kinds in the order of `found`. Rows of kinds at which they never do come last.
    """
    often = np.array([d.steps.get(REASONING, 0) / max(1, d.n_probe) for d in found] + [0.0])
    rows = np.flatnonzero(able)
    # the least of exponential draws over weights are a weighted draw without repetition (Efraimidis and Spirakis 2006)
    waits = rng.exponential(size=len(rows)) / np.maximum(often[home[rows]], 1e-12)
    return np.sort(rows[np.argsort(waits, kind="stable")[:n]])


def fitting(rewrites: Rewrites, table: pa.Table, fit: Fit) -> tuple[Rewrites, Counter[str]]:
    """The new answers of single exchanges of `table` with which these still fit the model, and how many do not."""
    schema, kept = table.schema.remove_metadata(), {}
    for row in sorted(rewrites):
        (record,) = table.slice(row, 1).to_pylist()
        record["turns"][1]["text"] = rewrites[row][1][0]
        if not fit.misfits(pa.Table.from_pylist([record], schema=schema)):
            kept[row] = rewrites[row]
    lost = len(rewrites) - len(kept)
    return kept, Counter({TOO_LONG: lost} if lost else {})


def of_rows(turns: list[list[dict]]) -> np.ndarray:
    """Rows with an answer that has steps: bool [n]. Models that give short answers can't judge these."""
    return np.array([any(is_reasoned(turn["text"]) for turn in row[1::2]) for row in turns], bool)


def changes_of(rewrites: Rewrites, ids: list[str], version: int) -> list[Change]:
    """The changes that write new answers into rows of the version before; ids: of its rows."""
    return [
        Change(ids[row], version, "rewrite", before=before, after=after, reason=REASON)
        for row, (before, after) in sorted(rewrites.items())
    ]


def reasoned(params: Params, table: pa.Table, rows: np.ndarray) -> tuple[list[Change], str]:
    """The changes by which eligible `rows` of a version are answered step by step by the endpoint's model, and what
    became of these rows, in words.

    table: the version's; rows int64. Raises EndpointError as `asked_of`.
    """
    if not len(rows):
        return [], "No row is left that could be answered step by step"
    asked, turns = params.metabolize, table["turns"].to_pylist()
    replies = asked_of(Endpoint(asked.url, asked.model, max_tokens=TOKENS), table, rows)
    taken, left = accepted(turns, rows, replies, params.clean)
    taken, long = fitting(taken, table, Fit(params.model))
    return changes_of(taken, table["id"].to_pylist(), version_of(table) + 1), summary(len(taken), left + long)
