"""Which rows a model can learn from, found before any model runs: tokens are counted, and no picture is decoded.

Rows are encoded by the very code that encodes them for training, with a processor that is shown sizes (`counting`).
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
    """Which rows the model of `params` can learn from, by `encode`'s own rules."""

    def __init__(self, params: Model):
        self.max_length, self._cut, self.picture_rule = params.max_length, params.long_rows == "cut", params.pictures
        self._processor = Counting(load_processor(params))

    def misfits(self, rows: pa.Table) -> list[dict]:
        """The rows of a pool table that can't be learnt from: their place, id, and reason with the fix."""
        found = []
        for k in range(rows.num_rows):
            (row,) = rows.slice(k, 1).to_pylist()
            try:
                encode(row, self._processor, self.max_length, self._cut, size_of)
            except ValueError as error:
                found.append({"place": k, "id": row["id"], "reason": str(error).removeprefix(f"row {row['id']}: ")})
        return found

    def length(self, row: dict) -> int:
        """The tokens of `row`, uncut. Raises InputError as `encode` does."""
        return len(encode(row, self._processor, sys.maxsize, opened=size_of)["input_ids"])

    def asked(self, text: str, sizes: list[Size]) -> int:
        """The tokens of a question about pictures of these sizes, as it is answered. Raises ValueError as `prompt`."""
        return len(prompt(self._processor, text, sizes)["input_ids"])


def too_long(fit: Fit, root: Path, target: str) -> list[str]:
    """The rows of `target` under `root` that are longer, with their answers, than model.max_length, and their tokens.

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
    """Raise InputError naming the first of the questions `found`, which are `use` ("aimed at", "scored"). None is cut
    or left out: it would be another benchmark."""
    if found:
        more = f" ({len(found) - 1} more such rows)" if len(found) > 1 else ""
        raise InputError(
            f"{found[0]}, above model.max_length={max_length}{more}; what is {use} is never cut: raise it, or "
            "shorten or remove the question"
        )
