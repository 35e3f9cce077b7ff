"""What a base has read before it is tuned: scenes in words, and questions about them (ours).

Every real vision-language model starts from a language model that has read. Here a text states a scene in words, asks
a question in the wording of the pool, in any of its forms, and answers it. No picture that stands before a text shows
the scene it speaks of: of pictures the base has only learnt the dialect (`world/dialect.py`). So tuning has to join
what it reads with what it sees, and to teach the forms of answers.
"""

from __future__ import annotations

import numpy as np

from cadc.world.dialect import ASSISTANT, Probe
from cadc.world.rows import ask, find_question
from cadc.world.subtasks import SUBTASKS, WORDINGS
from cadc.world.vocabulary import split_words

#: Forms in which questions are read, with their shares.
_FORMS, _SHARES = ("open", "yesno", "choice"), (0.5, 0.25, 0.25)


def draw_text(rng: np.random.Generator, untold: float = 0.0) -> Probe:
    """The words of one text up to its answer, and the answer's: all subtasks and all wordings alike.

    The share `untold` leaves the scene out, so that the answer can only be guessed. Such a question is answered as in
    a chat, in a sentence, even if a word or a letter is asked for; but by yes or no where it is put so.
    """
    name = list(SUBTASKS)[int(rng.integers(len(SUBTASKS)))]
    scene, question = find_question(name, rng, WORDINGS)
    form = _FORMS[rng.choice(len(_FORMS), p=_SHARES)]
    turn = ask(question, form, rng)
    told, answer = f"{scene.background} , {scene.caption()}", turn.answer
    if untold and rng.random() < untold:
        told, answer = "", answer if form == "yesno" else ask(question, "chat", rng).answer
    return [*split_words(told), *split_words(turn.human), ASSISTANT], split_words(answer)
