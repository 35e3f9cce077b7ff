"""Choose the rows that a round gives step-by-step answers, and filter these answers (ours)."""

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
    """Draw up to `n` of the rows that are `able` (bool [n_rows]): int64, ascending.

    The probability is proportional to how often the models fail at reasoning on the row's kind: home int [n_rows], -1
    for none, index into `found`. Rows of kinds without such failures come last.
    """
    often = np.array([d.steps.get(REASONING, 0) / max(1, d.n_probe) for d in found] + [0.0])
    rows = np.flatnonzero(able)
    # the smallest exponential waiting times give a weighted draw without replacement (Efraimidis and Spirakis 2006)
    waits = rng.exponential(size=len(rows)) / np.maximum(often[home[rows]], 1e-12)
    return np.sort(rows[np.argsort(waits, kind="stable")[:n]])


def fitting(rewrites: Rewrites, table: pa.Table, fit: Fit) -> tuple[Rewrites, Counter[str]]:
    """The new answers of single exchanges of `table` that still fit the model, and the number of those that do not."""
    schema, kept = table.schema.remove_metadata(), {}
    for row in sorted(rewrites):
        (record,) = table.slice(row, 1).to_pylist()
        record["turns"][1]["text"] = rewrites[row][1][0]
        if not fit.misfits(pa.Table.from_pylist([record], schema=schema)):
            kept[row] = rewrites[row]
    lost = len(rewrites) - len(kept)
    return kept, Counter({TOO_LONG: lost} if lost else {})


def of_rows(turns: list[list[dict]]) -> np.ndarray:
    """Rows with a step-by-step answer: bool [n]. Models with short answers can't judge these."""
    return np.array([any(is_reasoned(turn["text"]) for turn in row[1::2]) for row in turns], bool)


def changes_of(rewrites: Rewrites, ids: list[str], version: int) -> list[Change]:
    """The changes that put new answers into rows of the previous version. ids: of its rows."""
    return [
        Change(ids[row], version, "rewrite", before=before, after=after, reason=REASON)
        for row, (before, after) in sorted(rewrites.items())
    ]


def reasoned(params: Params, table: pa.Table, rows: np.ndarray) -> tuple[list[Change], str]:
    """Let the endpoint's model answer eligible `rows` of a version step by step. Returns the changes and a summary in
    words.

    table: the version's; rows int64. Raises EndpointError as `asked_of`.
    """
    if not len(rows):
        return [], "No row is left for step-by-step answers"
    asked, turns = params.metabolize, table["turns"].to_pylist()
    replies = asked_of(Endpoint(asked.url, asked.model, max_tokens=TOKENS), table, rows)
    taken, left = accepted(turns, rows, replies, params.clean)
    taken, long = fitting(taken, table, Fit(params.model))
    return changes_of(taken, table["id"].to_pylist(), version_of(table) + 1), summary(len(taken), left + long)
