"""Reasoning: replace short answers by step-by-step ones from an endpoint's model, accepted only if they reach the given
answer (ours).

The model sees question and image but not the given answer. If its reply ends in another answer, one of the two is
wrong, and the reply is rejected. An accepted reply is written as

    <think>
    its steps, one per line
    </think>
    the given answer

so that the row still ends in the format its question asks for: checks and readers of final answers use the text after
the steps (`answer_format.final_answer`).
"""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pyarrow as pa

from cadc.cleaning.answer_format import final_answer
from cadc.cleaning.flags import text_flags
from cadc.cleaning.meaning import in_words, options_of
from cadc.cleaning.rewriting import Rewrites, first_question, replies_to, single_exchanges
from cadc.cleaning.words import units
from cadc.compute.endpoint import Endpoint
from cadc.compute.replies import Prompt
from cadc.config.cleaning import Clean
from cadc.data.wording import IMAGE_TOKEN

MARKER = "Answer:"  # precedes the final answer of a reply, on the last line
LEAST_STEPS = 2
LONGEST = 1000  # maximum characters of all steps
TOKENS = 512  # maximum tokens of a reply: LONGEST characters in most languages, and the final line
YES_NO, LETTER, NUMBER = FORMS = ("yes or no", "the letter of one option", "a number in digits")

PROMPT = """Answer the question{about} step by step. Write at least {least} steps, each on a line of its own, in at \
most {longest} characters: first what there is to see that the question hangs on, then what follows from it. Do not \
repeat the question. Then write a last line with nothing but "{marker}" and the final answer, which is {form}. If the \
question asks for the answer alone, that holds for this last line.

{question}"""

#: Why a reply was rejected, in the order of the checks; FLAGGED is followed by the name of a text check.
NO_REPLY, NO_FINAL, OTHER, SHORT, LONG, REPEATS, MARKS, FLAGGED = (
    "no reply",
    f"does not end with a single {MARKER!r} line",
    "another answer than the row's",
    f"fewer than {LEAST_STEPS} steps",
    f"more than {LONGEST} characters",
    "repeats the question",
    "thought or answer marks in its steps",
    "flagged by",
)

_LETTERED = re.compile(r"\W*([A-I])\b\W*(.*?)\W*", re.DOTALL)
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?\s?%?")
#: Words that add no information to a step.
_SAY_NOTHING = """
    a an and answer answers are ask asked asks at be but by can could did do does final finally first for from had has
    have hence here i image in is it its let look must need next now of on or photo picture question see so the then
    there therefore these this that those thus to us was we were with you
"""
_EMPTY = frozenset(_SAY_NOTHING.split())


def form_of(question: str, answer: str) -> str:
    """The format in `FORMS` of a given answer, '' for any other. A letter must be a listed option."""
    options, text = options_of(question), answer.strip()
    if len(options) > 1:
        return LETTER if text.strip("().: ") in options else ""
    meant = in_words(text, {})
    return YES_NO if meant in ("yes", "no") else NUMBER if _NUMBER.fullmatch(meant) else ""


def eligible(turns: list[list[dict]]) -> np.ndarray:
    """Rows with one question and a short answer in one of `FORMS`: bool [n]."""
    single = single_exchanges(turns).tolist()
    return np.array(
        [one and form_of(row[0]["text"], row[1]["text"]) != "" for row, one in zip(turns, single, strict=True)], bool
    )


def is_reasoned(answer: str) -> bool:
    """Whether an answer has steps before its final answer."""
    return final_answer(answer) != answer.strip()


def parted(reply: str) -> tuple[list[str], str] | None:
    """A reply's steps, and the final answer after the mark in its last line; None unless exactly that line has it."""
    lines = [line.strip() for line in reply.splitlines() if line.strip()]
    marked = [line.startswith(MARKER) for line in lines]
    if sum(marked) != 1 or not marked[-1] or not lines[-1].removeprefix(MARKER).strip():
        return None
    return lines[:-1], lines[-1].removeprefix(MARKER).strip()


def _words(text: str) -> set[str]:
    """The words of a text, or its characters in scripts without blanks."""
    return set(units(re.sub(r"[^\w\s]|_", " ", text.replace(IMAGE_TOKEN, " ").lower()))[0])


def same(final: str, given: str, options: dict[str, str]) -> bool:
    """Whether a final answer means the given one, per `in_words`; False if it names two different options."""
    lettered = _LETTERED.fullmatch(final.strip())
    if lettered and lettered[1] in options and in_words(lettered[2], {}) not in ("", options[lettered[1]].lower()):
        return False
    return in_words(final, options) == in_words(given, options)


def adds_nothing(question: str, step: str, final: str) -> bool:
    """Whether a step says no more than its question and answer."""
    return not _words(step) - _words(question) - _words(final) - _EMPTY


def written(steps: list[str], answer: str) -> str:
    """The answer of a reasoned row."""
    return "\n".join(["<think>", *steps, "</think>", answer.strip()])


def checked(turns: list[dict], reply: str, clean: Clean) -> tuple[str, str]:
    """(new answer, '') for an accepted reply to a single exchange, or ('', reason) for a rejected one."""
    question, given = turns[0]["text"], turns[1]["text"]
    if not reply.strip():
        return "", NO_REPLY
    found = parted(reply)
    if found is None:
        return "", NO_FINAL
    steps, final = found
    if not same(final, given, options_of(question)):
        return "", OTHER
    if len(set(steps)) < LEAST_STEPS:
        return "", SHORT
    if len("\n".join(steps)) > LONGEST:
        return "", LONG
    if sum(not adds_nothing(question, step, final) for step in dict.fromkeys(steps)) < LEAST_STEPS:
        return "", REPEATS
    answer = written(steps, given)
    if final_answer(answer) != given.strip():
        return "", MARKS
    alone = "\n".join(steps)  # without the marks, which would hide an echo
    flags = text_flags([[turns[0], {**turns[1], "text": text}] for text in (answer, alone)], clean)
    named = [name for name, found in flags.items() if found.flag[0] or (found.flag[1] and name != "answer_format")]
    return ("", f"{FLAGGED} {named[0]}") if named else (answer, "")


def accepted(
    turns: list[list[dict]], rows: np.ndarray, replies: list[str], clean: Clean
) -> tuple[Rewrites, Counter[str]]:
    """The accepted replies to eligible rows, and the number of rejected ones by reason."""
    taken: Rewrites = {}
    rejected: Counter[str] = Counter()
    for row, reply in zip(rows.tolist(), replies, strict=True):
        answer, reason = checked(turns[row], reply, clean)
        if answer:
            taken[row] = ((turns[row][1]["text"],), (answer,))
        else:
            rejected[reason] += 1
    return taken, rejected


def summary(taken: int, rejected: Counter[str]) -> str:
    """One sentence: how many rows are now answered step by step, and why the others are not."""
    reasons = ", ".join(
        f"{n} x {reason}" for reason, n in sorted(rejected.items(), key=lambda item: (-item[1], item[0]))
    )
    left = f"; unchanged: {reasons}" if reasons else ""
    return f"{taken} of {taken + rejected.total()} rows are answered step by step{left}"


def asked_of(endpoint: Endpoint, table: pa.Table, rows: np.ndarray) -> list[str]:
    """Replies of the endpoint's model to eligible rows, shown the first image; '' if it gives none.

    rows int64 [n], of the pool `table`. Raises EndpointError as `replies_to` does.
    """

    def read(reply: str) -> str:
        if not reply.strip():
            raise ValueError("it is empty")
        return reply

    def prompt(record: dict) -> Prompt:
        question, image = first_question(record)
        form = form_of(record["turns"][0]["text"], record["turns"][1]["text"])
        about = " about the image" if image else ""
        text = PROMPT.format(
            about=about, least=LEAST_STEPS, longest=LONGEST, marker=MARKER, form=form, question=question
        )
        return Prompt(text, image)

    return replies_to(endpoint, table, rows, prompt, read, "reasoning")
