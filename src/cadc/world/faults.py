"""Plant the faults of instruction data in known shares (ours, after what papers report of real data).

The form of a row decides which faults it can get. In each form, a fault gets its share of rows, to within one row: rows
are dealt out to the faults in random order, and no row gets two. Faults of an answer are in a row's first turn, so its
copies have them, too.

wrong: errors of crowd workers and generators (Northcutt et al. 2021). mismatch: another row's image. hallucination: an
object that the image lacks and that often occurs with those it has (CHAIR, Rohrbach et al. 2018; POPE, Li et al. 2023).
repetition: a phrase repeated many times, as stuck decoding does (Holtzman et al. 2020). refusal, echo, truncation,
meta: artefacts of language models as writers: they decline, repeat the instruction, stop at a length limit, or mention
themselves or the caption that they were given instead of the image. format: usually a right answer, but not in the
requested format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cadc.config.errors import InputError
from cadc.config.world import Faults
from cadc.world.dialect import OPTION_LETTERS
from cadc.world.rows import Row
from cadc.world.scene import OBJECT_NOUNS, THEMES, Scene, make_item, sample_scene
from cadc.world.subtasks import SUBTASKS

_REFUSALS = ("i am sorry , but i can not help with that .", "i am not able to answer this question .")
_BLIND = (
    "i am sorry , but i can not see the image .",
    "i do not have access to the image .",
    "there is no image here , please share it .",
)
_META = ("as an ai language model , i would say :",)
_META_OF_PICTURES = (
    "as an ai language model , i can not see images , but",
    "based on the given caption ,",
    "from the description it seems that",
)
_SENTENCES = (
    "the answer is {} .",
    "the answer to the question is {} .",
    "i would say that the answer to this question is {} .",
    "{} , as you can see in the image .",
)


def _choose(rng: np.random.Generator, options):
    return options[int(rng.integers(len(options)))]


def _answered(row: Row, answer: str) -> Row:
    """The row with its first answer replaced."""
    return replace(row, turns=(replace(row.turns[0], answer=answer), *row.turns[1:]))


def _wrong(row: Row, rng: np.random.Generator) -> Row:
    return replace(row, turns=tuple(replace(turn, answer=turn.wrong) for turn in row.turns))


def _mismatched(row: Row, rng: np.random.Generator) -> Row:
    kind = SUBTASKS[row.subtask].scene if row.subtask in SUBTASKS else "objects"
    return replace(row, image_of=sample_scene(rng, kind))


def _hallucinated(row: Row, rng: np.random.Generator) -> Row:
    """Describe one thing too many, if possible of a theme that the image has."""
    scene = row.scene
    present = {item.noun for item in scene.items}
    absent = [noun for noun in OBJECT_NOUNS if noun not in present]
    beside = [noun for noun in absent if any(noun in theme and present & set(theme) for theme in THEMES.values())]
    free = sorted(set(range(9)) - {item.cell for item in scene.items})
    more = make_item(rng, _choose(rng, beside or absent), _choose(rng, free))
    told = Scene(scene.background, tuple(sorted((*scene.items, more), key=lambda item: item.cell)))
    return _answered(row, f"{told.caption()} .")


def _repeated(row: Row, rng: np.random.Generator) -> Row:
    """Cut the right answer at a random place and repeat its last one to six words there, 5 to 15 times."""
    words = row.turns[0].answer.split()
    end = int(rng.integers(1, len(words) + 1))
    phrase = words[max(0, end - int(rng.integers(1, 7))) : end]
    return _answered(row, " ".join(words[:end] + phrase * int(rng.integers(5, 16))))


def _refused(row: Row, rng: np.random.Generator) -> Row:
    return _answered(row, _choose(rng, (*_REFUSALS, *_BLIND) if row.scene else _REFUSALS))


def _echoed(row: Row, rng: np.random.Generator) -> Row:
    """The question, followed by the answer in half of the cases."""
    turn = row.turns[0]
    return _answered(row, turn.human if rng.random() < 0.5 else f"{turn.human} {turn.answer}")


def _truncated(row: Row, rng: np.random.Generator) -> Row:
    """Cut the answer in its middle third."""
    words = row.turns[0].answer.split()
    return _answered(row, " ".join(words[: int(rng.integers(len(words) // 3, 2 * len(words) // 3 + 1))]))


def _meta(row: Row, rng: np.random.Generator) -> Row:
    said = _choose(rng, (*_META, *_META_OF_PICTURES) if row.scene else _META)
    return _answered(row, f"{said} {row.turns[0].answer}")


def _out_of_format(row: Row, rng: np.random.Generator) -> Row:
    """A sentence instead of a word; instead of a letter, a sentence, the option's text, or a letter without option."""
    turn = row.turns[0]
    if row.form != "choice":
        return _answered(row, _choose(rng, _SENTENCES).format(turn.answer))
    options = dict(line.split(": ", 1) for line in turn.human.split("\n") if line[1:3] == ": ")
    option, beyond = options[turn.answer], (*OPTION_LETTERS, "E")[len(options)]
    return _answered(row, _choose(rng, (option, beyond, _choose(rng, _SENTENCES).format(option))))


@dataclass(frozen=True)
class Fault:
    """The forms of rows that can have a fault, and the function that plants it."""

    forms: tuple[str, ...]
    change: Callable[[Row, np.random.Generator], Row]


_ASKED = ("open", "yesno", "choice")  # answers by people, in a requested format
_WRITTEN = ("chat", "caption", "text")  # answers by a language model, in its own words
FAULTS = {
    "wrong": Fault((*_ASKED, "chat"), _wrong),
    "mismatch": Fault((*_ASKED, "chat", "caption"), _mismatched),
    "hallucination": Fault(("caption",), _hallucinated),
    "repetition": Fault(_WRITTEN, _repeated),
    "refusal": Fault(_WRITTEN, _refused),
    "echo": Fault(_WRITTEN, _echoed),
    "truncation": Fault(("caption",), _truncated),  # the only long answers
    "meta": Fault(_WRITTEN, _meta),
    "format": Fault(_ASKED, _out_of_format),
}


def plant(rows: list[Row], shares: Faults, rng: np.random.Generator) -> list[Row]:
    """The same rows with faults planted in the given shares, and their names in `noise`.

    Raises InputError if the shares of one form's faults add up to more than 1.
    """
    out = list(rows)
    for form in sorted({row.form for row in rows}):
        names = [name for name, fault in FAULTS.items() if form in fault.forms]
        ends = np.cumsum([getattr(shares, name) for name in names])
        if ends[-1] > 1 + 1e-9:
            raise InputError(f"world.faults: {', '.join(names)} add up to {ends[-1]:g} of all {form} rows; lower them")
        dealt = rng.permutation([i for i, row in enumerate(rows) if row.form == form])
        for name, own in zip(names, np.split(dealt, np.round(ends * len(dealt)).astype(int)), strict=False):
            for i in own:
                out[i] = replace(FAULTS[name].change(rows[i], rng), noise=name)
    return out
