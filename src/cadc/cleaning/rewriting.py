"""Rewriting: another answer for a flagged row, from tuned models that agree or from an endpoint, accepted only if no
check flags it (ours).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cadc.cleaning.evidence import Evidence
from cadc.cleaning.flags import any_flag, text_flags
from cadc.compute.endpoint import Endpoint, Prompt
from cadc.config.cleaning import Clean
from cadc.data.pictures import shown_file
from cadc.data.wording import IMAGE_TOKEN

PROMPT = """Answer the question{about}. Reply with the answer alone, in the form that the question asks for.

{question}"""
_LONGEST = 2000  # characters


def single_exchanges(turns: list[list[dict]]) -> np.ndarray:
    """Rows of one question and one answer: bool [n].

    Only these are rewritten: later answers may rest on earlier ones.
    """
    return np.array([len(row) == 2 for row in turns], bool)


def unobjectionable(turns: list[dict], answer: str, clean: Clean) -> bool:
    """Whether no check of texts flags a single exchange with `answer` in place of its own."""
    return not any_flag(text_flags([[turns[0], {**turns[1], "text": answer}]], clean), 1)[0]


def accepted(
    turns: list[list[dict]], rows: np.ndarray, answers: list[str], clean: Clean
) -> dict[int, tuple[tuple[str, ...], tuple[str, ...]]]:
    """New answers to the single exchanges `rows` ('' for none) that differ from the old ones and that no check flags:
    row -> (before, after).
    """
    out = {}
    for row, answer in zip(rows.tolist(), answers, strict=True):
        given = turns[row][1]["text"]
        if answer and answer.strip() != given.strip() and unobjectionable(turns[row], answer, clean):
            out[row] = ((given,), (answer,))
    return out


def judged_answers(
    evidence: Evidence, decode: Callable[[list[int]], str], turns: list[list[dict]], rows: np.ndarray
) -> list[str]:
    """The answers to single exchanges by the adapters that never saw them, '' where these are not clear.

    The likeliest token in each place is predicted from the given ones before it. So where the likeliest tokens differ
    from the given answer in a single place, they are the adapter's own answer up to that place, and to its end if the
    change makes no difference to what follows.
    """
    out = []
    for row in rows.tolist():
        token, likeliest = (values[evidence.tokens(row)] for values in (evidence.token, evidence.likeliest))
        clear = decode(token.tolist()).strip() == turns[row][1]["text"].strip() and (token != likeliest).sum() == 1
        out.append(decode(likeliest.tolist()).strip() if clear else "")
    return out


def asked_of(endpoint: Endpoint, records: Callable[[int], dict], rows: np.ndarray) -> list[str]:
    """The answers of the endpoint's model to single exchanges, shown the first picture. Replies are kept and paid for
    once.
    """

    def read(reply: str) -> str:
        if not 1 <= len(reply.strip()) <= _LONGEST:
            raise ValueError(f"it has {len(reply.strip())} characters, 1 to {_LONGEST} are wanted")
        return reply.strip()

    prompts = []
    for row in rows.tolist():
        record = records(row)
        question = record["turns"][0]["text"].replace(IMAGE_TOKEN, " ").strip()
        image = shown_file(record["images"][0]) if record["images"] else None
        about = " about the image" if image else ""  # a model that is asked about no image says that there is none
        prompts.append(Prompt(PROMPT.format(about=about, question=question), image))
    return endpoint.ask(prompts, read)
