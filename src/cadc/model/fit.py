"""Find the rows that a model can't train on before any model runs, by counting tokens without decoding images.

Rows go through the same code as in training, with a processor that takes sizes (`counting`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from cadc.config.errors import InputError
from cadc.config.model import Model
from cadc.data.pictures import Size
from cadc.data.probe import place_of, probe_rows
from cadc.model.counting import Counting, size_of
from cadc.model.encode import encode, prompt
from cadc.model.load import load_processor


class Fit:
    """Decides which rows the model of `params` can train on, by `encode`'s rules."""

    def __init__(self, params: Model):
        self.max_length, self._cut, self.picture_rule = params.max_length, params.long_rows == "cut", params.pictures
        self._processor = Counting(load_processor(params))

    def misfits(self, rows: pa.Table) -> list[dict]:
        """The unusable rows of a pool table: their place, id, and reason with the fix."""
        found = []
        for k in range(rows.num_rows):
            (row,) = rows.slice(k, 1).to_pylist()
            try:
                encode(row, self._processor, self.max_length, self._cut, size_of)
            except ValueError as error:
                found.append({"place": k, "id": row["id"], "reason": str(error).removeprefix(f"row {row['id']}: ")})
        return found

    def length(self, row: dict) -> int:
        """The number of tokens of `row`, uncut. Raises InputError as `encode` does."""
        return len(encode(row, self._processor, sys.maxsize, opened=size_of)["input_ids"])

    def asked(self, text: str, sizes: list[Size]) -> int:
        """The number of tokens of a question with images of these sizes. Raises ValueError as `prompt` does."""
        return len(prompt(self._processor, text, sizes)["input_ids"])


def too_long(fit: Fit, root: Path, target: str) -> list[str]:
    """The rows of `target` under `root` that exceed model.max_length with their answers, with their token counts.

    Raises InputError as `encode` does.
    """
    place, found = f"{place_of(root, target)}: {target}", []
    for row, _, _ in probe_rows(root, target):
        try:
            length = fit.length(row)
        except InputError as error:
            raise InputError(f"{place}, {error}") from None
        if length > fit.max_length:
            found.append(f"{place}, row {row['id']}: {length} tokens")
    return found


def refuse_too_long(found: Sequence[str], max_length: int, use: str) -> None:
    """Raise InputError naming the first of the questions `found`, which are `use` ("targets", "scored"). Benchmark
    questions are never cut or skipped, because the scores would not be comparable."""
    if found:
        more = f" ({len(found) - 1} more such rows)" if len(found) > 1 else ""
        raise InputError(
            f"{found[0]}, above model.max_length={max_length}{more}; questions that are {use} are never cut: raise it, "
            "or shorten or remove the question"
        )
