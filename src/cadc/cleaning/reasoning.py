"""Reasoning: step-by-step answers in the place of short ones, by an endpoint's model, accepted only if they end where
the given answer does (ours).

The model is shown question and picture, but not the given answer. So a reply that ends in another answer says that one
of both is wrong, and is left out. An accepted one is written as

    <think>
    its steps, a line each
    </think>
    the given answer

so that the row still ends in the form that its question asks for: checks, and who reads answers by their end, take what
stands behind the steps for the answer (`answer_format.final_answer`).
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

MARKER = "Answer:"  # before the final answer of a reply, on the last line
LEAST_STEPS = 2
LONGEST = 1000  # characters of all steps
TOKENS = 512  # of a reply, at most: LONGEST characters of most languages, and the final line
YES_NO, LETTER, NUMBER = FORMS = ("yes or no", "the letter of one option", "a number in digits")

PROMPT = """Answer the question{about} step by step. Write at least {least} steps, each on a line of its own, in at \
most {longest} characters: first what there is to see that the question hangs on, then what follows from it. Do not \
repeat the question. Then write a last line with nothing but "{marker}" and the final answer, which is {form}. If the \
question asks for the answer alone, that holds for this last line.

{question}"""

#: Why a reply was not taken, in the order in which it is looked at; a text check is named behind FLAGGED.
NO_REPLY, NO_FINAL, OTHER, SHORT, LONG, REPEATS, MARKS, FLAGGED = (
    "no reply",
    f"no single line at the end behind {MARKER!r}",
    "another answer than the row's",
    f"fewer than {LEAST_STEPS} steps",
    f"more than {LONGEST} characters",
    "repeats the question",
    "marks of thoughts or answers among its steps",
    "flagged by",
)

_LETTERED = re.compile(r"\W*([A-I])\b\W*(.*?)\W*", re.DOTALL)
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?\s?%?")
#: Words that a step may have without saying anything.
_SAY_NOTHING = """
    a an and answer answers are ask asked asks at be but by can could did do does final finally first for from had has
    have hence here i image in is it its let look must need next now of on or photo picture question see so the then
    there therefore these this that those thus to us was we were with you
"""
_EMPTY = frozenset(_SAY_NOTHING.split())


def form_of(question: str, answer: str) -> str:
    """The one of `FORMS` that a given answer has, '' for any other: a letter is one of options that are listed."""
    options, text = options_of(question), answer.strip()
    if len(options) > 1:
        return LETTER if text.strip("().: ") in options else ""
    meant = in_words(text, {})
    return YES_NO if meant in ("yes", "no") else NUMBER if _NUMBER.fullmatch(meant) else ""


def eligible(turns: list[list[dict]]) -> np.ndarray:
    """Rows of one question that has a short answer in one of `FORMS`: bool [n]."""
    single = single_exchanges(turns).tolist()
    return np.array(
        [one and form_of(row[0]["text"], row[1]["text"]) != "" for row, one in zip(turns, single, strict=True)], bool
    )


def is_reasoned(answer: str) -> bool:
    """Whether an answer has more than its final one: steps before it."""
    return final_answer(answer) != answer.strip()


def parted(reply: str) -> tuple[list[str], str] | None:
    """A reply's steps, and the final answer behind its last line's mark; None where that is not its only such line."""
    lines = [line.strip() for line in reply.splitlines() if line.strip()]
    marked = [line.startswith(MARKER) for line in lines]
    if sum(marked) != 1 or not marked[-1] or not lines[-1].removeprefix(MARKER).strip():
        return None
    return lines[:-1], lines[-1].removeprefix(MARKER).strip()


def _words(text: str) -> set[str]:
    """The words of a text, or its characters where no blanks part words."""
    return set(units(re.sub(r"[^\w\s]|_", " ", text.replace(IMAGE_TOKEN, " ").lower()))[0])


def same(final: str, given: str, options: dict[str, str]) -> bool:
    """Whether a final answer means the given one, as `in_words` says; of two options named it means neither."""
    lettered = _LETTERED.fullmatch(final.strip())
    if lettered and lettered[1] in options and in_words(lettered[2], {}) not in ("", options[lettered[1]].lower()):
        return False
    return in_words(final, options) == in_words(given, options)


def adds_nothing(question: str, step: str, final: str) -> bool:
    """Whether a step says no more than its question and its answer."""
    return not _words(step) - _words(question) - _words(final) - _EMPTY


def written(steps: list[str], answer: str) -> str:
    """The answer of a reasoned row."""
    return "\n".join(["<think>", *steps, "</think>", answer.strip()])


def checked(turns: list[dict], reply: str, clean: Clean) -> tuple[str, str]:
    """The new answer that a reply to a single exchange makes, and ''; or '', and why it is not taken."""
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
    alone = "\n".join(steps)  # the marks around them would hide an echo
    flags = text_flags([[turns[0], {**turns[1], "text": text}] for text in (answer, alone)], clean)
    named = [name for name, found in flags.items() if found.flag[0] or (found.flag[1] and name != "answer_format")]
    return ("", f"{FLAGGED} {named[0]}") if named else (answer, "")


def accepted(
    turns: list[list[dict]], rows: np.ndarray, replies: list[str], clean: Clean
) -> tuple[Rewrites, Counter[str]]:
    """The replies to eligible rows that are taken, and how many are not, by reason."""
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
    """How many rows are answered step by step now, and why the others are not, in words."""
    reasons = ", ".join(
        f"{n} x {reason}" for reason, n in sorted(rejected.items(), key=lambda item: (-item[1], item[0]))
    )
    left = f"; left as they are: {reasons}" if reasons else ""
    return f"{taken} of {taken + rejected.total()} rows are answered step by step{left}"


def asked_of(endpoint: Endpoint, table: pa.Table, rows: np.ndarray) -> list[str]:
    """The replies of the endpoint's model to eligible rows, shown the first picture; '' where it gives none.

    rows int64 [n], of the pool `table`. Raises EndpointError as `replies_to`.
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
