"""Rows as haotian-liu/LLaVA's code takes them, where ours refuses: `pool.on_bad_row: llava`.

Read from `LazySupervisedDataset`, `preprocess_multimodal`, `preprocess_v1` and `prepare_inputs_labels_for_multimodal`,
and held to what they give (tests/golden/llava).
"""

from __future__ import annotations

from collections.abc import Iterable

from cadc.data.reasons import fail, some
from cadc.data.wording import IMAGE_TOKEN

#: What was done to so many rows.
BEGUN = "the first turn of {} rows is gpt's and is left out"
ONE_MARK = f"a turn of {{}} rows holds {IMAGE_TOKEN} more than once, and one is kept"
NOT_SHOWN = f"the picture of {{}} rows is not shown, for no turn holds {IMAGE_TOKEN}"
AS_TEXT = f"{{}} rows without a picture hold {IMAGE_TOKEN}, which is text"
EMPTY = "{} rows have an empty answer, which is not learnt"


def pictured(turns: list[dict[str, str]], n_images: int) -> tuple[list[dict[str, str]], int, list[str]]:
    """The turns (role, text) of a row with one image or none, how many images are shown, and what was done to it.

    A turn keeps one of its marks, wherever it stands, in answers, too. Raises InputError where several turns have one:
    LLaVA's code ends there.
    """
    done = [EMPTY] if any(turn["text"] == "" for turn in turns) else []
    marks = [turn["text"].count(IMAGE_TOKEN) for turn in turns]
    if not n_images:
        return turns, 0, [*done, *([AS_TEXT] if any(marks) else [])]
    if sum(map(bool, marks)) > 1:
        fail(f"{IMAGE_TOKEN} stands in {sum(map(bool, marks))} turns of a row with one image; leave it in one of them")
    if not any(marks):
        return turns, 0, [*done, NOT_SHOWN]
    if max(marks) == 1:
        return turns, 1, done
    return [{**turn, "text": _with_one(turn["text"])} for turn in turns], 1, [*done, ONE_MARK]


def _with_one(text: str) -> str:
    before, mark, after = text.partition(IMAGE_TOKEN)
    return before + mark + after.replace(IMAGE_TOKEN, "")


def said_of(notes: Iterable[tuple[str, str]]) -> list[str]:
    """Lines that count the rows (what was done, id), one for each thing done."""
    by_what: dict[str, list[str]] = {}
    for what, name in notes:
        by_what.setdefault(what, []).append(name)
    return [f"pool: {what.format(len(names))}: {some(names)}" for what, names in sorted(by_what.items())]
