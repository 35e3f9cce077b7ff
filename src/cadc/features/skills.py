"""What an instruction asks of its reader, as a short list of visual skills: by an inventory and sentence embeddings, or by a language model.

The skill view of targeted selection (arXiv 2508.10339, no released code) is the embedding of such a list. Its lists come from a
language model; the inventory, which needs nothing but a sentence encoder, is ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from importlib import resources
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from cadc.endpoint import Endpoint, Prompt
from cadc.features.embeddings import row_text, sentence_embeddings
from cadc.model.encode import IMAGE_TOKEN

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_OPTION = re.compile(r"^\(?[A-Z][.):]\s")
_LONGEST = 80  # characters of a skill that a language model names
_LINES_READ = 65536  # whose embeddings are in memory at a time
_ROWS_ASKED = 1024  # whose prompts, with their images, are in memory at a time

PROMPT = """Below is what a user asks a vision-language assistant about a picture. Which visual skills does a good reply need?
Name the {top} most important ones, the most important first, each as a short phrase such as "counting objects of one category" or "reading text in a picture".
Do not answer the user. Reply with a JSON array of {top} strings and nothing else.

{question}"""


def inventory() -> list[str]:
    """The skills of skills.txt, in its order."""
    lines = resources.files("cadc.features").joinpath("skills.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def instruction_lines(turns: list[dict[str, str]]) -> list[str]:
    """The lines of a row's questions, lettered options and image marks left out: at least one, if only an empty one."""
    lines = [" ".join(line.split()) for turn in turns if turn["role"] == "user" for line in turn["text"].replace(IMAGE_TOKEN, "\n").splitlines()]
    return [line for line in dict.fromkeys(lines) if line and not _OPTION.match(line)] or [""]


def nearest_skills(order: np.ndarray, top: int) -> list[int]:
    """The `top` skills of an instruction, in the inventory's order, from `order` int [n_lines, >= top or all], each line's nearest first.

    Its lines take turns, in their order, to name their next nearest skill: content and format mostly have a line each, and neither
    drowns the other.
    """
    turns = order.T.ravel().tolist()  # every line's nearest skill, then every line's second
    return sorted(list(dict.fromkeys(turns))[:top])


def inventory_lists(encoder: SentenceTransformer, rows: Iterable[list[dict[str, str]]], top: int) -> list[list[str]]:
    """For the turns of every row, `top` entries of the inventory that its lines are nearest to."""
    names = inventory()
    skills = sentence_embeddings(encoder, names).T
    lines = [instruction_lines(turns) for turns in rows]
    different = list(dict.fromkeys(line for each in lines for line in each))
    order = np.empty((len(different), min(top, len(names))), np.int16)
    for start in range(0, len(different), _LINES_READ):
        similarity = sentence_embeddings(encoder, different[start : start + _LINES_READ]) @ skills
        order[start : start + _LINES_READ] = np.argsort(-similarity, axis=1, kind="stable")[:, :top]
    place = {line: i for i, line in enumerate(different)}
    return [[names[skill] for skill in nearest_skills(order[[place[line] for line in each]], top)] for each in lines]


def read_list(reply: str, top: int) -> list[str]:
    """A reply's skills, at most `top`. Raises ValueError where it holds no JSON array of short strings."""
    found = re.search(r"\[.*\]", reply, re.S)
    if not found:
        raise ValueError("no JSON array in it")
    try:
        skills = json.loads(found[0])
    except json.JSONDecodeError as error:
        raise ValueError(f"its array is no JSON: {error}") from None
    if not skills or not all(isinstance(skill, str) and skill.strip() and len(skill) <= _LONGEST for skill in skills):
        raise ValueError(f"not an array of strings of 1 to {_LONGEST} characters")
    return [" ".join(skill.split()).lower() for skill in skills[:top]]


def asked_lists(endpoint: Endpoint, rows: Iterable[dict], top: int, with_image: bool) -> Iterator[list[str]]:
    """For every row, a dict with `turns` and `images`, the skills that a language model names; `with_image`: shown its first image.

    Rows are asked in batches, so that images are not all in memory; replies are kept as they come and asked for once.
    """
    rows = iter(rows)
    while batch := list(islice(rows, _ROWS_ASKED)):
        prompts = []
        for row in batch:
            image = row["images"][0] if with_image and row["images"] else None
            prompts.append(Prompt(PROMPT.format(top=top, question=row_text(row["turns"], answers=False)), image and image_file(image)))
        yield from endpoint.ask(prompts, lambda reply: read_list(reply, top))


def image_file(image: dict) -> bytes:
    """The bytes of an image's file, from the table or from its path."""
    if image["bytes"] is not None:
        return image["bytes"]
    with open(image["path"], "rb") as file:
        return file.read()


def list_text(skills: list[str]) -> str:
    """A list of skills as the sentence that is embedded."""
    return "; ".join(skills)
