"""Attribute wrong answers to a step: ask them again with the image described in words (ours).

Descriptions come only from the probe rows' images: those of a generated world are read from the pixels
(`world/told.py`); others are described by the model that answered wrongly. A model is only asked its own wrong answers
again, and only if neither the form nor a blank image already shows what failed.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from cadc.cleaning import repetition
from cadc.cleaning.flags import settings_of
from cadc.cleaning.refusals import refusal
from cadc.config.params import Params
from cadc.data.pictures import file_digest, image_file, open_image
from cadc.data.wording import IMAGE_TOKEN, question_alone
from cadc.metabolism.asking import ask, questions
from cadc.metabolism.diagnosis import Replies
from cadc.metabolism.steps import MODEL, NOT_TOLD, WORLD, Attribution, failed_step
from cadc.metabolism.trials import Trial
from cadc.world.told import told

DESCRIBE = "describe the image in detail."
LONGEST = 128  # tokens of a description

Picture = bytes  # identifies an image: the digest of its file


def describes(text: str, params: Params) -> bool:
    """Whether a model's reply to `DESCRIBE` is a description, and not a refusal or a loop."""
    turns = [{"role": "user", "text": DESCRIBE}, {"role": "assistant", "text": text}]
    loops = repetition.check([turns], **settings_of(params.clean, "repetition")).flag[0]
    return bool(text.strip()) and not loops and not refusal(DESCRIBE, text)


def _described(
    params: Params, name: str, trials: list[Trial], lacking: list[dict[Picture, dict]]
) -> list[dict[Picture, str]]:
    """Each model's descriptions of the images in `lacking`, without those that it can't describe."""
    if not any(lacking):
        return [{} for _ in trials]
    tables = [
        questions([f"{IMAGE_TOKEN}\n{DESCRIBE}"] * len(own), [[image] for image in own.values()]) for own in lacking
    ]
    said = ask(params, name, trials, "describe", tables, LONGEST)
    return [
        {picture: text for picture, text in zip(own, texts, strict=True) if describes(text, params)}
        for own, texts in zip(lacking, said, strict=True)
    ]


def _undecided(replies: Replies) -> list[list[str]]:
    """The failed step as far as form and blank image show it, '' for correct answers: [K][n]."""
    rows = range(len(replies.question))
    return [
        ["" if score[i] >= 1 else failed_step(replies.question[i], replies.answer[i], said[i], blind[i]) for i in rows]
        for said, blind, score in zip(replies.said, replies.blind, replies.score, strict=True)
    ]


def attribute(
    params: Params, name: str, trials: list[Trial], replies: Replies, images: pa.ChunkedArray, order: np.ndarray
) -> Attribution:
    """The failed step of each wrong answer of a version's models.

    images: the probe rows' images, lists of {bytes, path}; order int64 [n]: the probe row of each of `replies`.
    """
    step = _undecided(replies)
    open_ = [[i for i, failed in enumerate(own) if failed == NOT_TOLD] for own in step]
    picture: dict[int, Picture] = {}
    files: dict[Picture, dict] = {}
    for i in sorted({i for own in open_ for i in own}):
        shown = images[int(order[i])].as_py()
        if len(shown) == 1:  # with several images, a description would be ambiguous
            picture[i] = file_digest(image_file(shown[0]))
            files[picture[i]] = shown[0]
    by_world = {key: text for key, image in files.items() if (text := told(open_image(image)))}
    lacking = [
        {picture[i]: files[picture[i]] for i in own if i in picture and picture[i] not in by_world} for own in open_
    ]
    words = [by_world | own for own in _described(params, name, trials, lacking)]
    rows = [[i for i in own if picture.get(i) in texts] for own, texts in zip(open_, words, strict=True)]
    teller = [[""] * len(replies.question) for _ in trials]
    if any(rows):
        tables = [
            questions([f"{texts[picture[i]]}\n{question_alone(replies.question[i])}" for i in own], [[]] * len(own))
            for own, texts in zip(rows, words, strict=True)
        ]
        told_so = ask(params, name, trials, "tell", tables, params.evaluate.max_new_tokens)
        for k, own in enumerate(rows):
            for i, reply in zip(own, told_so[k], strict=True):
                said, blind = replies.said[k][i], replies.blind[k][i]
                step[k][i] = failed_step(replies.question[i], replies.answer[i], said, blind, reply)
                teller[k][i] = WORLD if picture[i] in by_world else MODEL
    return Attribution(step, teller)
