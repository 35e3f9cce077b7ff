"""Questions as lmms-eval asks them: the input of a model, and the questions that are too long for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from cadc.config.errors import InputError
from cadc.data.pictures import Rule, Size, open_image
from cadc.data.pixels import upright_rgb
from cadc.data.wording import question_alone
from cadc.evaluation.benchmarks import SHOWN, blank_pictures, load_tasks
from cadc.evaluation.catalogue import needs

if TYPE_CHECKING:  # scoring alone does not need to read a pool
    from cadc.model.fit import Fit

_NAMES = ("question_id", "index", "id")  # columns that identify a question


def shown(task: str, number: int, messages: list[dict], rule: Rule = "upright") -> tuple[str, list[Image.Image]]:
    """The text and images of a document's chat messages, as the task makes them. Files are opened by `rule`.

    Raises InputError if the messages contain anything else.
    """
    parts = [part for message in messages for part in message["content"]]
    other = sorted({part["type"] for part in parts} - {"text", "image"})
    if other:
        raise InputError(f"{task}, document {number}: contains {', '.join(other)}; only images and text are supported")
    images = [
        upright_rgb(part["url"])
        if isinstance(part["url"], Image.Image)
        else open_image({"bytes": None, "path": part["url"]}, rule)
        for part in parts
        if part["type"] == "image"
    ]
    return question_alone("".join(part["text"] for part in parts if part["type"] == "text")), images


def too_long(fit: Fit, root: Path, name: str, judged: bool) -> list[str]:
    """The questions of task `name` under `root` that exceed model.max_length, each with its number of tokens.

    No image is decoded. Raises InputError as `load_tasks` and `shown` do, and if a processor refuses an image.
    """
    place, found = f"{needs(name)[0].folder(root)}: {name}", []
    with blank_pictures():  # includes loading, because some tasks read every row then
        (task,) = load_tasks(root, [name], judged, SHOWN[fit.picture_rule]).tasks
        for number, doc in enumerate(task.eval_docs):
            text, images = shown(name, number, task.doc_to_messages(doc), fit.picture_rule)
            known = next((doc[column] for column in _NAMES if column in doc), number)
            try:
                length = fit.asked(text, [Size(*image.size) for image in images])
            except ValueError as error:
                raise InputError(f"{place}, row {known}: {error}") from None
            if length > fit.max_length:
                found.append(f"{place}, row {known}: {length} tokens")
    return found
