"""Texts that a base reads before it is tuned: scenes in words, and questions about them (ours).

Every real vision-language model starts from a pre-trained language model. Here a text describes a scene in words, asks
a question in the wording of the pool, in any form, and answers it. An image before a text never shows the scene that
the text describes: about images, the base has only learnt the dialect (`world/dialect.py`). So tuning must connect what
it reads with what it sees, and teach the answer formats.
"""

from __future__ import annotations

import numpy as np

from cadc.world.dialect import ASSISTANT, Probe
from cadc.world.rows import ask, find_question
from cadc.world.subtasks import SUBTASKS, WORDINGS
from cadc.world.vocabulary import split_words

#: Question forms in texts, with their shares.
_FORMS, _SHARES = ("open", "yesno", "choice"), (0.5, 0.25, 0.25)


def draw_text(rng: np.random.Generator, untold: float = 0.0) -> Probe:
    """(words of one text up to its answer, words of the answer), over all subtasks and wordings equally.

    A share `untold` omits the scene, so that the answer can only be guessed. Such a question is answered in a sentence,
    as in chat, even if it asks for a word or a letter; yes/no questions are answered by yes or no.
    """
    name = list(SUBTASKS)[int(rng.integers(len(SUBTASKS)))]
    scene, question = find_question(name, rng, WORDINGS)
    form = _FORMS[rng.choice(len(_FORMS), p=_SHARES)]
    turn = ask(question, form, rng)
    told, answer = f"{scene.background} , {scene.caption()}", turn.answer
    if untold and rng.random() < untold:
        told, answer = "", answer if form == "yesno" else ask(question, "chat", rng).answer
    return [*split_words(told), *split_words(turn.human), ASSISTANT], split_words(answer)
