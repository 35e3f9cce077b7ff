"""Abnormal teacher output: refusals, meta talk, echoed prompts, answers that break off, another language than the
question's.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache

from cadc.cleaning.answer_format import INSTRUCTION
from cadc.cleaning.findings import Findings, questions_and_answers, shown

_PICTURE = (
    r"(the|this|that|any|your|an?)? ?(actual |provided |given )?(image|picture|photo|photograph|video|figure)s?\b"
)
PATTERNS = {
    "refusal": re.compile(
        r"(?i)\b(i'?m|i am) (very |so )?sorry,? (but )?(i (can|am|do|don|did|won)|i'm|as an?)\b|\bi (can(no|')t|can not|am unable to|am not able to|won't|will not) "
        r"(assist|help|comply|fulfil+|provide|generate|answer|(directly )?(see|view|access|process|analy[sz]e|open|interpret) " + _PICTURE + r")|"
        r"\b(i|we) (do not|don't) have (access to|the ability to (see|view)) " + _PICTURE
    ),
    "meta talk": re.compile(
        r"(?i)\bas an? (ai|artificial intelligence|(large )?language model|text-based (ai|model))\b|\bmy (training data|knowledge cut-?off)\b|"
        r"\b(i was|i am|i'm) (trained|developed|created) by (openai|anthropic|google|meta)\b|"
        r"\b(based on|according to|from|in) the (provided|given) (caption|captions|description|descriptions|bounding box(es)?|context)\b"
    ),
    "role marks": re.compile(r"<\|[a-z_]+\|>|</?s>|\[/?INST\]|<<SYS>>|<image>|^#{2,3} ?(human|user|assistant|instruction|response)\b|(?m:^\s*(USER|ASSISTANT|Human|Assistant):)"),
}  # fmt: skip
_COPYING = re.compile(
    r"(?i)\b(repeat|rephrase|rewrite|reword|paraphrase|translate|copy|quote|proofread|correct|edit|spell|transcribe|summari[sz]e)\b"
)
_FOREIGN = re.compile(r"(?i)\b(translat\w+|language|in (\w+ish|french|german|chinese|japanese|korean|arabic|russian|\w+ese)|write|writt\w+|read|reads|say|says|text|word|words|sign|name|call|called|letters?|title|caption)\b")  # fmt: skip
_OPEN_END = re.compile(
    r"(?i)(\b(the|a|an|of|and|or|with|is|are|was|to|in|on|for|that|which|by|from|as|at|its|their|his|her)|[,(\-–])$"
)
_LIST_LINE = re.compile(r"^\s*([-*•|]|\d+[.)])|\|\s*$")
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*(\s|$)")

#: Common function words of languages in Latin letters; a word that several share decides nothing alone.
STOP_WORDS = {
    "English": "the of and is are was with this that there it in from which their",
    "German": "der die das und ist sind nicht ein eine mit auf dem den zu auch es wird sich",
    "French": "le les des est et une dans sur pas pour avec qui sont du au cette il elle",
    "Spanish": "el los las es una con por para está son del y hay como más pero",
    "Italian": "il gli della che di è sono una con nel alla anche più non dei",
    "Portuguese": "os uma com não são está em do da na no mais também ao pelo",
    "Dutch": "het een van en zijn niet met op voor dat er naar aan ook deze",
}
_LANGUAGES: dict[str, list[str]] = {}
for _name, _words in STOP_WORDS.items():
    for _word in _words.split():
        _LANGUAGES.setdefault(_word, []).append(_name)


@cache
def _script(letter: str) -> str:
    """`LATIN`, `CYRILLIC`, `CJK`, ...: the first word of the letter's Unicode name; Japanese kana count as CJK, which
    it mixes with.
    """
    name = unicodedata.name(letter, "?").split()[0]
    return "CJK" if name in ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA") else name


def script(text: str) -> tuple[str, int]:
    """The script of most letters of a text, and how many letters are in it; ('', 0) without letters."""
    if text.isascii():
        n = sum(map(str.isalpha, text))
        return ("LATIN", n) if n else ("", 0)
    counts = Counter(_script(letter) for letter in text if letter.isalpha())
    return counts.most_common(1)[0] if counts else ("", 0)


def language(text: str) -> tuple[str, int]:
    """The language whose function words occur most in a text, and how many more do than of the next one; ('', 0) where
    none leads.
    """
    counts = Counter(name for word in re.findall(r"\w+", text.lower()) for name in _LANGUAGES.get(word, ()))
    (first, most), (_, second) = (*counts.most_common(2), ("", 0), ("", 0))[:2]
    return (first, most - second) if most > second else ("", 0)


def echoes(question: str, answer: str, n: int) -> bool:
    """Whether an answer repeats its whole question word by word. Questions of fewer than `n` words, or that ask for it,
    do not count.
    """
    asked, said = (" ".join(re.findall(r"\w+", text.lower())) for text in (INSTRUCTION.sub(" ", question), answer))
    return len(asked.split()) >= n and f" {asked} " in f" {said} " and not _COPYING.search(question)


def truncated(answer: str, n: int) -> bool:
    """Whether an answer breaks off: an open code fence, or prose of at least `n` words that ends without a mark or on a
    function word.

    Lists, tables and code may end anyhow.
    """
    if answer.count("```") % 2:
        return True
    last = answer.rstrip().splitlines()[-1].rstrip() if answer.strip() else ""
    if len(answer.split()) < n or "```" in answer or _LIST_LINE.search(last) or last.endswith((";", "}", ">")):
        return False
    prose = bool(_SENTENCE_END.search(answer)) and len(last.split()) >= 4 and last[-1].isalpha()
    return bool(_OPEN_END.search(last)) or (prose and not _SENTENCE_END.search(last[-3:]))


def foreign(question: str, answer: str, letters: int, margin: int) -> str:
    """What an answer is written in, if its question is in another script or language and does not ask for one; else ''.

    A script counts from `letters` letters on; of languages in one script, one needs `margin` more function words than
    any other.
    """
    if _FOREIGN.search(question):
        return ""
    (asked, _), (said, count) = script(question), script(answer)
    if asked and said and asked != said:
        return f"{said.title()} letters" if count >= letters else ""
    answered, more = language(answer)
    return answered if more >= margin and language(question)[0] not in ("", answered) else ""


def faults(question: str, answer: str, echo_words: int, prose_words: int, letters: int, margin: int) -> list[str]:
    """What is abnormal about an answer, each as `kind: what`."""
    found = [f"{kind}: {shown(match[0])}" for kind, pattern in PATTERNS.items() if (match := pattern.search(answer))]
    if echoes(question, answer, echo_words):
        found.append(f"prompt echo: {shown(answer)}")
    if truncated(answer, prose_words):
        found.append(f"breaks off: …{' '.join(answer.split())[-40:]}")
    if other := foreign(question, answer, letters, margin):
        found.append(f"{other}: {shown(answer)}")
    return found


def check(turns: list[list[dict[str, str]]], echo_words: int, prose_words: int, letters: int, margin: int) -> Findings:
    """Rows with abnormal answers; the score is how many faults they have."""
    found = [
        [
            fault
            for pair in questions_and_answers(row)
            for fault in faults(*pair, echo_words, prose_words, letters, margin)
        ]
        for row in turns
    ]
    return Findings.of(
        [len(own) for own in found], [bool(own) for own in found], [own[0] if own else "" for own in found]
    )
