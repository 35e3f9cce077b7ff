"""Answers that break the format their own question asks for: a letter, one word or phrase, yes or no."""

from __future__ import annotations

import re

from cadc.cleaning.findings import Findings, questions_and_answers, shown

#: What the prompts of LLaVA-1.5 (Liu et al. 2023, table 7) and of lmms-eval's tasks ask for, and close wordings of it.
LETTER = re.compile(
    r"(?i)\banswer (the question )?(directly )?(with|using|by) (giving )?(the|a|an|one) (single )?(option'?s?'? |correct |choice'?s? )*(letter|character)\b"
)
PHRASE = re.compile(r"(?i)\b(single|one|a) word( or (a )?(short )?phrase)?\b[^?]*$")
YES_NO = re.compile(r"(?i)\b(answer|respond|reply)\b[^.?\n]*\byes or no\b|\byes or no\s*[?.]?\s*$")
#: Sentences that only say how to answer; near duplicates differ in them.
INSTRUCTION = re.compile(
    r"(?i)(please )?(answer|respond|reply)[^.\n]*\b(word|phrase|letter|letters|character|yes or no|briefly|short|directly)\b[^.\n]*\.?"
)
_OPTION = re.compile(r"(?m)^\s*\(?([A-Z])\s*[).:]\s*\S")
_LETTER_ANSWER = re.compile(
    r"^\W*(?:(?:the )?(?:correct )?(?:answer|option)(?: is)?:?\s*)?\(?([A-Za-z])(?:\W*$|\s*[).:]\s*(?s:.*)$)",
    re.IGNORECASE,
)
_YES_NO_ANSWER = re.compile(r"(?i)^\W*(yes|no|yeah|nope|true|false)\b")


def _fault(question: str, answer: str, phrase_in_force: bool, phrase_words: int) -> str:
    """What is wrong with an answer, '' for nothing."""
    options = _OPTION.findall(question)
    if LETTER.search(question) and options:
        found = _LETTER_ANSWER.match(answer)
        if not found:
            return f"a letter was asked for, the answer is: {shown(answer)}"
        if found[1].upper() not in options:
            return f"the letter {found[1].upper()} is none of the options {', '.join(options)}"
    elif YES_NO.search(question):
        if not _YES_NO_ANSWER.match(answer):
            return f"yes or no was asked for, the answer is: {shown(answer)}"
    elif (phrase_in_force or PHRASE.search(question)) and len(answer.split()) > phrase_words:
        return f"a word or phrase was asked for, the answer has {len(answer.split())} words: {shown(answer)}"
    return ""


def check(turns: list[list[dict[str, str]]], phrase_words: int) -> Findings:
    """Rows with answers that break their question's format; the score is the share of such answers.

    A request for a word or phrase also holds for later turns that ask for nothing else: LLaVA-665K says it once a row.
    The answer may then have `phrase_words` words.
    """
    scores, evidence = [], []
    for row in turns:
        faults, in_force, exchanges = [], False, questions_and_answers(row)
        for question, answer in exchanges:
            in_force = (in_force or bool(PHRASE.search(question))) and not (
                LETTER.search(question) or YES_NO.search(question)
            )
            fault = _fault(question, answer, in_force, phrase_words)
            if fault:
                faults.append(fault)
        scores.append(len(faults) / max(1, len(exchanges)))
        evidence.append(faults[0] if faults else "")
    return Findings.of(scores, [score > 0 for score in scores], evidence)
