"""Accept rows that LLaVA's training code (haotian-liu/LLaVA) accepts and ours rejects: `pool.on_bad_row: llava`.

Follows `LazySupervisedDataset`, `preprocess_multimodal`, `preprocess_v1` and `prepare_inputs_labels_for_multimodal`.
tests/golden/llava compares the results with theirs.
"""

from __future__ import annotations

from collections.abc import Iterable

from cadc.data.reasons import fail, some
from cadc.data.wording import IMAGE_TOKEN

#: What was changed, as console messages with the number of rows.
BEGUN = "{} row(s) start with a gpt turn, which is dropped"
ONE_MARK = f"{{}} row(s) have a turn with several {IMAGE_TOKEN}; one is kept"
NOT_SHOWN = f"{{}} row(s) have an image but no {IMAGE_TOKEN} in any turn; the image is not used"
AS_TEXT = f"{{}} row(s) have no image but contain {IMAGE_TOKEN}, which is kept as text"
EMPTY = "{} row(s) have an empty answer, which is not trained on"


def pictured(turns: list[dict[str, str]], n_images: int) -> tuple[list[dict[str, str]], int, list[str]]:
    """(turns, number of images shown, changes made) for a row with at most one image, as LLaVA's code treats it.

    If one turn has several `<image>` tokens (answers included), the first is kept. Raises InputError if several turns
    have one, because LLaVA's code fails on such a row.
    """
    done = [EMPTY] if any(turn["text"] == "" for turn in turns) else []
    marks = [turn["text"].count(IMAGE_TOKEN) for turn in turns]
    if not n_images:
        return turns, 0, [*done, *([AS_TEXT] if any(marks) else [])]
    if sum(map(bool, marks)) > 1:
        fail(f"{IMAGE_TOKEN} occurs in {sum(map(bool, marks))} turns of a row with one image; keep it in one of them")
    if not any(marks):
        return turns, 0, [*done, NOT_SHOWN]
    if max(marks) == 1:
        return turns, 1, done
    return [{**turn, "text": _with_one(turn["text"])} for turn in turns], 1, [*done, ONE_MARK]


def _with_one(text: str) -> str:
    before, mark, after = text.partition(IMAGE_TOKEN)
    return before + mark + after.replace(IMAGE_TOKEN, "")


def said_of(notes: Iterable[tuple[str, str]]) -> list[str]:
    """One console line per kind of change, with the number of rows, from (change, row id) pairs."""
    by_what: dict[str, list[str]] = {}
    for what, name in notes:
        by_what.setdefault(what, []).append(name)
    return [f"pool: {what.format(len(names))}: {some(names)}" for what, names in sorted(by_what.items())]
