"""The visual skills that an instruction needs, as a short list from an inventory and sentence embeddings, or from a
language model.

The skill view of targeted selection (arXiv 2508.10339, no released code) embeds such a list. The paper's lists come
from a language model; the inventory, which only needs a sentence encoder, is ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from importlib import resources
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from cadc.compute.endpoint import Endpoint
from cadc.compute.replies import EndpointError, Prompt
from cadc.data.pictures import shown_file
from cadc.data.wording import IMAGE_TOKEN
from cadc.features.embeddings import row_text, sentence_embeddings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_OPTION = re.compile(r"^\(?([A-Z])[.):]\s")
_LONGEST = 80  # maximum characters of a skill named by a language model
_LINES_READ = 65536  # lines embedded at a time
_ROWS_ASKED = 1024  # rows whose prompts and images are in memory at a time

PROMPT = """A user asks a vision-language assistant:

{question}

Which visual skills does a good reply need? Name the {top} most important ones, the most important first, each as a \
short phrase such as "counting objects of one category" or "reading text in a picture".
Do not answer the user. Reply with a JSON array of {top} strings and nothing else."""


def inventory() -> list[str]:
    """The skills of skills.txt, in order."""
    lines = resources.files("cadc.features").joinpath("skills.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def instruction_lines(turns: list[dict[str, str]]) -> list[str]:
    """The lines of a row's questions, without image tokens and option lists (A, B, ... one per line).

    There is at least one line, which may be empty.
    """
    lines = []
    for turn in turns:
        if turn["role"] == "user":
            said = [
                line
                for line in (" ".join(line.split()) for line in turn["text"].replace(IMAGE_TOKEN, "\n").splitlines())
                if line
            ]
            lines += [line for line, is_option in zip(said, options(said), strict=True) if not is_option]
    return list(dict.fromkeys(lines)) or [""]


def options(lines: list[str]) -> list[bool]:
    """Which lines are lettered options: runs of lines that start with A and continue with B."""
    letters = [found[1] if (found := _OPTION.match(line)) else "" for line in lines]
    out, i = [False] * len(lines), 0
    while i < len(lines):
        n = 0
        while i + n < len(lines) and letters[i + n] == chr(ord("A") + n):
            n += 1
        if n > 1:
            out[i : i + n] = [True] * n
        i += max(n, 1)
    return out


def nearest_skills(order: np.ndarray, top: int) -> list[int]:
    """The `top` skills of an instruction, in the inventory's order.

    order int [n_lines, >= top or all]: each line's skills, nearest first. Lines take turns to add their next nearest
    skill, because content and answer format are usually on separate lines and both should count.
    """
    turns = order.T.ravel().tolist()  # every line's nearest skill, then every line's second
    return sorted(list(dict.fromkeys(turns))[:top])


def inventory_lists(encoder: SentenceTransformer, rows: Iterable[list[dict[str, str]]], top: int) -> list[list[str]]:
    """For each row's turns, the `top` inventory entries nearest to its lines."""
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
    """A reply's skills, at most `top`: its first JSON array of short strings. Raises ValueError if there is none."""
    for start in (found.start() for found in re.finditer(r"\[", reply)):
        try:
            skills = json.JSONDecoder().raw_decode(reply, start)[0]
        except json.JSONDecodeError:
            continue
        if skills and all(isinstance(skill, str) and skill.strip() and len(skill) <= _LONGEST for skill in skills):
            return [" ".join(skill.split()).lower() for skill in skills[:top]]
    raise ValueError(f"it contains no JSON array of strings of 1 to {_LONGEST} characters")


def asked_lists(endpoint: Endpoint, rows: Iterable[dict], top: int, with_image: bool) -> list[list[str]]:
    """The skills that a language model names for each row, a dict with `id`, `turns` and `images`.

    `with_image` shows it the row's first image. Replies are cached. Raises EndpointError naming the rows without a
    usable reply, after all others have theirs, or at once if a whole batch has none; and as `Endpoint.ask_each` does.
    """
    made: list[Any] = []
    rows, failed = iter(rows), {}

    def prompt_of(row: dict) -> Prompt:
        image = row["images"][0] if with_image and row["images"] else None
        return Prompt(
            PROMPT.format(top=top, question=row_text(row["turns"], answers=False)), image and shown_file(image)
        )

    while batch := list(islice(rows, _ROWS_ASKED)):
        answers = endpoint.ask_each([prompt_of(row) for row in batch], lambda reply: read_list(reply, top))
        made += answers
        lost = {
            row["id"]: answer for row, answer in zip(batch, answers, strict=True) if isinstance(answer, EndpointError)
        }
        failed |= lost
        if len(lost) == len(batch):
            break
    if failed:
        names, first = ", ".join(list(failed)[:5]) + (", ..." if len(failed) > 5 else ""), next(iter(failed.values()))
        raise EndpointError(
            f"views: {len(failed)} of {len(made)} rows got no list of skills ({names}). Run again to retry "
            f"only these, use another views.model, or remove the rows from the pool. First error: {first}"
        )
    return made


def list_text(skills: list[str]) -> str:
    """A list of skills as the sentence to embed."""
    return "; ".join(skills)
