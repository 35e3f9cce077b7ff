"""Rewriting: a new answer for a flagged row, from fine-tuned models that agree or from an endpoint, accepted only if no
check flags it (ours).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from cadc.cleaning.evidence import Evidence
from cadc.cleaning.flags import any_flag, text_flags
from cadc.compute import console
from cadc.compute.endpoint import Endpoint
from cadc.compute.replies import EndpointError, Prompt, Unusable, summary
from cadc.config.cleaning import Clean
from cadc.data.pictures import shown_file
from cadc.data.reasons import some
from cadc.data.wording import IMAGE_TOKEN

PROMPT = """Answer the question{about}. Reply with the answer alone, in the form that the question asks for.

{question}"""
_LONGEST = 2000  # maximum characters of an answer
#: Answers of each rewritten row: (before, after).
Rewrites = dict[int, tuple[tuple[str, ...], tuple[str, ...]]]


def single_exchanges(turns: list[list[dict]]) -> np.ndarray:
    """Rows with one question and one answer: bool [n].

    Only these are rewritten, because later answers may depend on earlier ones.
    """
    return np.array([len(row) == 2 for row in turns], bool)


def unobjectionable(turns: list[dict], answer: str, clean: Clean) -> bool:
    """Whether no text check flags a single exchange with `answer` instead of its own."""
    return not any_flag(text_flags([[turns[0], {**turns[1], "text": answer}]], clean), 1)[0]


def accepted(turns: list[list[dict]], rows: np.ndarray, answers: list[str], clean: Clean) -> Rewrites:
    """New answers to the single exchanges `rows` ('' if none) that differ from the old ones and that no check flags:
    row -> (before, after).
    """
    out: Rewrites = {}
    for row, answer in zip(rows.tolist(), answers, strict=True):
        given = turns[row][1]["text"]
        if answer and answer.strip() != given.strip() and unobjectionable(turns[row], answer, clean):
            out[row] = ((given,), (answer,))
    return out


def judged_answers(
    evidence: Evidence, decode: Callable[[list[int]], str], turns: list[list[dict]], rows: np.ndarray
) -> list[str]:
    """Answers to single exchanges by the adapters that never saw them; '' if these are not clear.

    The most likely token at each position is predicted from the given tokens before it. So if the predictions differ
    from the given answer at only one position, they are the adapter's own answer up to there, and also to the end if
    the change does not affect what follows.
    """
    out = []
    for row in rows.tolist():
        token, likeliest = (values[evidence.tokens(row)] for values in (evidence.token, evidence.likeliest))
        clear = decode(token.tolist()).strip() == turns[row][1]["text"].strip() and (token != likeliest).sum() == 1
        out.append(decode(likeliest.tolist()).strip() if clear else "")
    return out


def asked_of(endpoint: Endpoint, table: pa.Table, rows: np.ndarray) -> list[str]:
    """Answers of the endpoint's model to single exchanges, shown the first image; '' if it gives none.

    rows int64 [n], of the pool `table`. Raises EndpointError as `replies_to` does.
    """

    def read(reply: str) -> str:
        if not 1 <= len(reply.strip()) <= _LONGEST:
            raise ValueError(f"it has {len(reply.strip())} characters, but 1 to {_LONGEST} are allowed")
        return reply.strip()

    def prompt(record: dict) -> Prompt:
        question, image = first_question(record)
        about = " about the image" if image else ""  # models asked about a missing image say that there is none
        return Prompt(PROMPT.format(about=about, question=question), image)

    return replies_to(endpoint, table, rows, prompt, read, "rewrites")


def first_question(record: dict) -> tuple[str, bytes | None]:
    """A pool row's first question without `<image>`, and the file of the first image if there is one."""
    image = shown_file(record["images"][0]) if record["images"] else None
    return record["turns"][0]["text"].replace(IMAGE_TOKEN, " ").strip(), image


def replies_to(
    endpoint: Endpoint,
    table: pa.Table,
    rows: np.ndarray,
    prompt: Callable[[dict], Prompt],
    read: Callable[[str], str],
    what: str,
) -> list[str]:
    """`read(reply)` of the endpoint's model to each row's `prompt`; '' if it gives none.

    rows int64 [n], of the pool `table`. Replies are cached and paid for once. Prints the cost under the name `what`,
    and the number of rows without an answer. Raises EndpointError if no row of several gets an answer; if a reply is
    missing that a retry may bring (after all others are cached); and as `Endpoint.ask_each` does.
    """
    prompts, ids = [], []
    for row in rows.tolist():
        record = table.slice(row, 1).to_pylist()[0]
        prompts.append(prompt(record))
        ids.append(record["id"])
    try:
        answers = endpoint.ask_each(prompts, read)
    finally:
        console.line(f"{what}: {summary(endpoint.spent)}")
    lost = {name: answer for name, answer in zip(ids, answers, strict=True) if isinstance(answer, EndpointError)}
    passing = {name: answer for name, answer in lost.items() if not isinstance(answer, Unusable)}
    if passing:
        raise EndpointError(f"{_named(passing, rows)}. Run it again to ask only for these")
    if 1 < len(lost) == len(rows):
        raise EndpointError(f"{_named(lost, rows)}. Use another model")
    if lost:
        console.line(f"{what}: {_named(lost, rows)}")
    return ["" if isinstance(answer, EndpointError) else answer for answer in answers]


def _named(lost: dict[str, EndpointError], rows: np.ndarray) -> str:
    """The ids of rows without an answer, and the first one's reason."""
    first = next(iter(lost.values()))
    return f"{len(lost)} of {len(rows)} rows get no new answer ({some(list(lost))}). The first: {first}"
