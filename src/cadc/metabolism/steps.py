"""The step at which a wrong answer failed, of those that an answer takes: its form, looking, reasoning (ours).

    format      it has another form than asked for, or says what is right in a form that is scored as wrong
    looking     a blank picture gets the same answer, so that what was seen was not used; or the same model answers
                rightly once it is told in words what there is to see, so that it saw something else
    reasoning   it is told in words what there is to see, and answers wrongly all the same
    not told    nobody could put the picture into words, or the answer to these words has no form to judge it by

The first that failed counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from cadc.cleaning.meaning import options_of
from cadc.metabolism.errors import breaks_format, means_the_same, wants_yes_no

FORMAT, LOOKING, REASONING, NOT_TOLD = STEPS = ("format", "looking", "reasoning", "not told")
#: Who put pictures into words: whoever drew them, or the model that was asked.
WORLD, MODEL = TELLERS = ("world", "model")


@dataclass(frozen=True)
class Attribution:
    """Of K models' answers to n questions: step [K][n], one of `STEPS`, '' for a right answer; teller [K][n], one of
    `TELLERS` where the model was told a picture in words, else ''.
    """

    step: list[list[str]]
    teller: list[list[str]]


def failed_step(question: str, answer: str, said: str, blind: str, told: str = "") -> str:
    """The first step that failed of a wrong answer `said`.

    blind: the same model's answer with a blank picture; told: with the picture in words, '' where it was not asked.
    """
    options, yes_no = options_of(question), wants_yes_no(answer)
    if breaks_format(said, options, yes_no) or means_the_same(said, answer, options):
        return FORMAT
    if said.strip() == blind.strip():
        return LOOKING
    if breaks_format(told, options, yes_no):
        return NOT_TOLD
    return LOOKING if means_the_same(told, answer, options) else REASONING
