"""Split the questions of a cell into parts. Each part is asked once by any worker, and kept until the cell is scored.

Batches are built from all questions of a portion, by length limit and length, once for all seeds and workers. A part is
a range of batches. So neither the number of parts nor the worker changes a batch or its answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from cadc.compute import console
from cadc.evaluation.adapter import PORTION, ChatModel, Question, portions

ANSWERS = pa.schema([("task", pa.string()), ("doc", pa.int32()), ("answer", pa.string())])


class Part(NamedTuple):
    """Part `number` of `of` of the batches of questions `start` to `stop`, answered by the adapter of `seed`."""

    seed: int
    start: int
    stop: int
    number: int
    of: int


def group(part: Part) -> int:
    """A key shared by parts with the same questions, so that a worker encodes these once for several seeds."""
    return part.start // PORTION + part.number


def parts(seed: int, n_questions: int, size: int) -> list[Part]:
    """Parts of about `size` questions that together cover all questions once."""
    made = []
    for start in range(0, n_questions, PORTION):
        stop = min(start + PORTION, n_questions)
        of = -(-(stop - start) // size)
        made += [Part(seed, start, stop, number, of) for number in range(of)]
    return made


def batches_of(chat: ChatModel, questions: Sequence[Question]) -> list[list[list[int]]]:
    """The batches of each portion of `questions`, as positions in it."""
    return [chat.batches(portion) for portion in portions(questions)]


def ask(chat: ChatModel, questions: Sequence[Question], batches: list[list[list[int]]], part: Part) -> pa.Table:
    """The answers of `chat`'s model to one part of `questions`, as ANSWERS. batches: from `batches_of`."""
    own, made = questions[part.start : part.stop], batches[part.start // PORTION]
    mine = made[len(made) * part.number // part.of : len(made) * (part.number + 1) // part.of]
    rows = []
    for at in console.track(mine, f"questions, seed {part.seed}"):
        batch = [own[i] for i in at]
        rows += [(q.task, q.doc, text) for q, text in zip(batch, chat.answers(batch), strict=True)]
    return pa.table([list(column) for column in zip(*rows, strict=True)] if rows else [[], [], []], schema=ANSWERS)


def load_answers(files: Sequence[Path]) -> dict[tuple[str, int], str]:
    """The answers in `files`, by task and document number."""
    columns = pa.concat_tables([pq.read_table(file) for file in files]).to_pydict()
    return dict(zip(zip(columns["task"], columns["doc"], strict=True), columns["answer"], strict=True))
