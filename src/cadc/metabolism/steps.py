"""The step at which a wrong answer failed: format, looking or reasoning (ours).

    format      the answer has the wrong form, or is correct in a form that is scored as wrong
    looking     the answer is the same on a blank image, so the image was not used; or the model answers correctly once
                the image is described in words, so it misread the image
    reasoning   the answer is wrong even with the image described in words
    not told    there was no description, or the answer to it could not be parsed

The first failed step counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from cadc.cleaning.meaning import options_of
from cadc.metabolism.errors import breaks_format, means_the_same, wants_yes_no

FORMAT, LOOKING, REASONING, NOT_TOLD = STEPS = ("format", "looking", "reasoning", "not told")
#: Sources of descriptions: the world that drew the image, or the model itself.
WORLD, MODEL = TELLERS = ("world", "model")


@dataclass(frozen=True)
class Attribution:
    """K models' answers to n questions: step [K][n], one of `STEPS`, '' for a correct answer; teller [K][n], one of
    `TELLERS` if the model was given a description, else ''.
    """

    step: list[list[str]]
    teller: list[list[str]]


def failed_step(question: str, answer: str, said: str, blind: str, told: str = "") -> str:
    """The first failed step of a wrong answer `said`.

    blind: the same model's answer on a blank image; told: its answer with a description, '' if it was not asked.
    """
    options, yes_no = options_of(question), wants_yes_no(answer)
    if breaks_format(said, options, yes_no) or means_the_same(said, answer, options):
        return FORMAT
    if said.strip() == blind.strip():
        return LOOKING
    if breaks_format(told, options, yes_no):
        return NOT_TOLD
    return LOOKING if means_the_same(told, answer, options) else REASONING
