"""Abnormal teacher output: refusals, meta talk, chat template marks, echoed prompts, truncated answers, missing values,
or a language other than the question's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cadc.cleaning import asked
from cadc.cleaning.asked import INSTRUCTION
from cadc.cleaning.findings import Findings, questions_and_answers, shown
from cadc.cleaning.garbled import garbled
from cadc.cleaning.languages import foreign
from cadc.cleaning.meta_talk import meta_talk
from cadc.cleaning.refusals import refusal
from cadc.cleaning.words import unquoted, word_count

#: Marks of chat templates. Headings and HTML strike-through may look alike.
_ROLE_MARKS = re.compile(
    r"<\|[a-z_]+\|>|\A\s*<s>|</s>\s*\Z|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|"
    r"(?m:^[ \t]*(?:#{2,3} ?(?:Human|User|Assistant|Instruction|Response|Input)|USER|ASSISTANT|Human|Assistant):)"
)
#: Words that begin a sentence which the answer may continue, if it has no end mark.
_BEGUN = re.compile(
    r"(?i)(the|an?|this|that|these|those|he|she|it|they|we|i|in|on|at|my|his|her|there|once)\b.*\w", re.DOTALL
)
_SPOKEN = re.compile(
    r"(?i)\b(dialogue|conversation|script|interview|chat|play|transcript|template|prompt|markup|html|xml|token)s?\b|"
    r"对话|對話|対話|диалог"
)
_VERSE = re.compile(
    r"(?i)\b(poem|verse|song|lyrics|haiku|rap|rhyme|sonnet|limerick|slogan|hashtag|tweet|title|headline|list)s?\b"
)
#: Words that end no sentence.
_OPEN_END = re.compile(r"(\b(the|an?|and|or|of|their|its|your|my|our|because|than|such as)|[,(\-–])$")
#: Words that end some sentences: "what they live for", "a ball to play with", "that it was aimed at".
_HANGING = re.compile(r"(?<!ing)(?<!ed)(?<!\bis)(?<!\bare)(?<!\bwas) (with|for|from|by|as|at|to|is|are|was)$")
_STRANDED = re.compile(r"(?i)\b(what|that|which|who|whom|whose|where|how|than|i|you|he|she|it|we|they)\b|\bto \w+ \w+$")
#: Closings of letters, with the writer's name.
_CLOSING = re.compile(
    r"\b(?i:regards|wishes|sincerely|faithfully|yours|truly|love|cheers|thanks|thank you|you|respectfully),"
    r"(?: [A-Z]\w*\.?){0,4}$"
)
_LIST_LINE = re.compile(r"^\s*([-*•|]|\d+[.)])|\|\s*$")
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*(\s|$)")
_GOES_ON = ",;:-–—(，、；：（"  # marks after which a sentence continues
_NO_PROSE_END = re.compile(r"^[#@]|://|^[\w.]+@")


def role_marks(question: str, answer: str) -> str:
    """The chat template mark that an answer holds outside quotations; '' if there is none, or if the question has it or
    asks for a dialogue. "User:" may be a text in the image.
    """
    found = _ROLE_MARKS.search(answer) and _ROLE_MARKS.search(unquoted(answer))
    if not found or _SPOKEN.search(question) or found[0].strip() in question:
        return ""
    return "" if found[0].strip()[0] not in "<[" and asked.for_reading(question) else shown(found[0])


def echoes(question: str, answer: str, n: int) -> bool:
    """Whether an answer begins with its whole question as a separate sentence. Questions of fewer than `n` words, those
    that ask for a repetition, and beginnings of a sentence do not count.
    """
    question = INSTRUCTION.sub(" ", question).strip()
    if word_count(question) < n or asked.COPYING.search(question) or _BEGUN.fullmatch(question):
        return False
    words = re.findall(r"\w+", question.lower())
    said = re.finditer(r"\w+", answer.lower())
    end = 0
    for word in words:
        found = next(said, None)
        if not found or found[0] != word:
            return False
        end = found.end()
    rest = answer[end:].lstrip(" ")
    return not rest or not (rest[0].isalnum() or rest[0] in _GOES_ON)


def truncated(answer: str, n: int) -> bool:
    """Whether an answer is truncated: an open code fence, or prose of at least `n` words whose last word can't end a
    sentence, or whose last paragraph has end marks on all sentences except the last.

    Lists, tables, code, verse, links and tags may end anywhere.
    """
    if answer.count("```") % 2:
        return True
    last = answer.rstrip().splitlines()[-1].rstrip() if answer.strip() else ""
    if len(answer.split()) < n or "```" in answer or _LIST_LINE.search(last) or last.endswith((";", "}", ">")):
        return False
    if _OPEN_END.search(last) or (_HANGING.search(last) and not _STRANDED.search(_SENTENCE_END.split(last)[-1])):
        return not _CLOSING.search(last)
    return (
        bool(_SENTENCE_END.search(last))
        and len(_SENTENCE_END.findall(answer)) > 1
        and len(last.split()) >= 4
        and last[-1].isalpha()
        and not _NO_PROSE_END.search(last.split()[-1])
        and not _CLOSING.search(last)
    )


def faults(
    question: str, answer: str, echo_words: int, prose_words: int, letters: int, margin: int, before: Sequence[str] = ()
) -> list[str]:
    """Faults of an answer, each as `kind: quotation`. before: the row's earlier questions."""
    named = {
        "refusal": refusal(question, answer),
        "meta talk": meta_talk(question, answer, before),
        "role marks": role_marks(question, answer),
    }
    found = [f"{kind}: {what}" for kind, what in named.items() if what]
    if echoes(question, answer, echo_words):
        found.append(f"prompt echo: {shown(answer)}")
    if truncated(answer, prose_words) and not (_VERSE.search(question) or asked.for_reading(question)):
        found.append(f"breaks off: …{' '.join(answer.split())[-40:]}")
    if lost := garbled(question, answer):
        found.append(lost)
    if other := foreign(question, answer, letters, margin, before):
        found.append(f"{other}: {shown(answer)}")
    return found


def check(turns: list[list[dict[str, str]]], echo_words: int, prose_words: int, letters: int, margin: int) -> Findings:
    """Rows with abnormal answers; the score is the number of faults."""
    found = []
    for row in turns:
        own: list[str] = []
        before: list[str] = []
        for question, answer in questions_and_answers(row):
            own += faults(question, answer, echo_words, prose_words, letters, margin, before)
            before.append(question)
        found.append(own)
    return Findings.of(
        [len(own) for own in found], [bool(own) for own in found], [own[0] if own else "" for own in found]
    )
