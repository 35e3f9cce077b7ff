"""Rows of a generated world before they are written: scenes and questions about them, in one answer form (ours)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cadc.config.world import Form
from cadc.data.wording import LLAVA_LETTER, MMT_LETTER, SHORT_ANSWER
from cadc.world.dialect import OPTION_LETTERS
from cadc.world.scene import Scene, sample_scene
from cadc.world.subtasks import SUBTASKS, WORDINGS, Question, draw_question

FORMS: tuple[Form, ...] = ("open", "yesno", "choice", "chat")


@dataclass(frozen=True)
class Turn:
    """One exchange: the human's text, the right answer, and a wrong answer for planted faults."""

    human: str
    answer: str
    wrong: str


@dataclass(frozen=True)
class Row:
    """One training row. `form` is one of FORMS, caption or text; `scene` is None for text-only rows."""

    source: str
    subtask: str
    form: str
    turns: tuple[Turn, ...]
    scene: Scene | None
    noise: str = "clean"
    image_of: Scene | None = None  # the scene shown, if it differs from the one asked about
    copy_of: int = -1


def ask(question: Question, form: str, rng: np.random.Generator) -> Turn:
    """Put a question into one form, in the wording of LLaVA's data and lmms-eval's tasks."""
    if form == "open":
        return Turn(f"{question.text}\n{SHORT_ANSWER}", question.answer, question.distractors(rng, 1)[0])
    if form == "chat":
        return Turn(question.text, f"it is {question.answer} .", f"it is {question.distractors(rng, 1)[0]} .")
    if form == "yesno":
        if set(SUBTASKS[question.subtask].answers) == {"yes", "no"}:
            text, answer = question.text, question.answer
        else:
            holds = rng.random() < 0.5
            text = question.claim(question.answer if holds else question.distractors(rng, 1)[0])
            answer = "yes" if holds else "no"
        return Turn(f"{text}\n{SHORT_ANSWER}", answer, "no" if answer == "yes" else "yes")
    options, letter = choices(question, rng)
    wrong = [other for other in OPTION_LETTERS[: len(options)] if other != letter]
    listed = "\n".join(f"{name}: {option}" for name, option in zip(OPTION_LETTERS, options, strict=False))
    swap = wrong[int(rng.integers(len(wrong)))]
    if rng.random() < 0.5:
        return Turn(f"Question: {question.text}\n{listed}\n{MMT_LETTER}", letter, swap)
    return Turn(f"{question.text}\n{listed}\n{LLAVA_LETTER}", letter, swap)


def choices(question: Question, rng: np.random.Generator) -> tuple[list[str], str]:
    """Up to four options in random order, and the right one's letter."""
    options = [question.answer, *question.distractors(rng, 3)]
    order = rng.permutation(len(options))
    return [options[i] for i in order], OPTION_LETTERS[int(np.flatnonzero(order == 0)[0])]


def find_question(subtask: str, rng: np.random.Generator, wordings: Sequence[int] = WORDINGS) -> tuple[Scene, Question]:
    """Sample a scene that fits a subtask, and a question about it in one of the `wordings`."""
    while True:
        scene = sample_scene(rng, SUBTASKS[subtask].scene)
        question = draw_question(subtask, scene, rng, wordings)
        if question is not None:
            return scene, question
