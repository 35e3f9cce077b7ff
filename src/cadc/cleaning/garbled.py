"""Find answers that a program corrupted: missing values, and wrongly decoded text."""

from __future__ import annotations

import re

from ftfy.badness import is_bad

from cadc.cleaning import asked
from cadc.cleaning.findings import shown

#: How programs write a missing value.
_MISSING = re.compile(
    r"\W*(?P<value>nan|NaN|NAN|None|null|Null|NULL|nil|NaT|<NA>|#?[Nn]/[Aa]|#(?:DIV/0!|NAME\?|NULL!|NUM!|REF!|VALUE!)|"
    r"\[object Object\]|[Uu]ndefined|(?<=\\)N|TBD|TODO|\[?<?(?:UNK|unk|PAD|pad)>?\]?|"
    r"\[(?:MASK|mask|deleted|removed)\]|(?<=\{\{) ?\w+ ?(?=\}\})|"
    r"(?<=[<\[])(?:insert |the |your )?(?:answer|output|response)(?: here)?(?=[>\]]))(?:\W+(?P=value))*\W*|\.{2,}|…+|"
    r"[-–—_#?*~]+"
)
#: Questions for which such an answer may be right: they ask for something written or computed. See `asked.for_words`.
_WRITTEN = re.compile(
    r"(?i)\b(abbreviations?|bread|cells?|chart|codes?|columns?|commands?|date|default|element|entries|entry|fax|"
    r"fields?|function|given|graph|hypothes[ei]s|indicated|keys?|marks?|initial\w*|letters?|listed|mentioned|"
    r"missing values?|no\.|numbers?|outputs?|operations?|operators?|phone|pointers?|prints?|programs?|punctuation|"
    r"quer(y|ies)|records?|returns?|rows?|sql|stand for|signs?|stated|symbols?|tables?|values?|"
    r"variables?)\b|(?i:\b(celda|columna|feld|ligne|spalte|tabelle|tabla|tableau|valor|valeur|wert|zeile|"
    r"значение|"
    r"таблиц\w+)\b)|値|关键字|列|变量|值|假设|假說|函数|单元格|变数|欄|表格|返回|输出|"
    r"변수|함수|表の"
)
#: Mathematical questions, for which "undefined" may be right.
_MATHS = re.compile(
    r"(?i)\b(?:arc)?(?:cos|cot|csc|ln|log|sec|sin|tan)\w*\b|\d|\b(?:calculate|defined|derivative|determinant|divided|"
    r"domain|equals?|equation|evaluate|expression|infinity|integral|limit|range|ratio|root|sequence|slope|solve|sum|types?)"
    r"\b|\b[xyz]\b"
)
#: Questions for a number, in languages where "null" is zero.
_ZERO = re.compile(
    r"(?i)\b(anzahl|differenz|ergebnis|ergibt|hvor (mange|mye)|mitu|punktestand|resultat\w*|summe|wie ?(viel|hoch|"
    r"oft)\w*|zahl(en)?|ziffer)\b"
)
_SCORE = re.compile(r"(?i)\b(?:goals?|how (?:many|much)|points?|result|score)\b")
_MAY_BE_NONE = re.compile(
    r"(?i)\b(how (many|much)|any|anyone|anything|anybody|else|other|which|who|whom|whose|none|nothing|is there|"
    r"are there|wear(s|ing)?|hold(s|ing)?|carry(ing)?|carries|"
    r"eat(s|ing)?|missing|options?|choices?|above|in common|between|wrong|unusual|unsafe|danger(s|ous)?|hazards?|"
    r"problems?|errors?|differences?|pattern|logo|sport|pets?|animals?)\b|"
    r"\bwhat (\w+ )?\w+s (are|can|did|do|does|has|have|were)\b|"
    r"\bwhat('s| is| are)( \w+){0,2} (on|in|under|behind|beside|near|next|above|below|inside|between|around|at|to|"
    r"over)\b(?! (?:(?:an?|that|the|these|this|your) )?(?:image|photo|picture|scene)\w*\W*$)"
)


def garbled(question: str, answer: str) -> str:
    """The corruption of an answer, as `kind: quotation`; '' if there is none.

    `None` may be right for something absent, `N/A` for something written. ftfy finds wrong decodings (Speer 2019).
    """
    found = _MISSING.fullmatch(answer.strip())
    if found and not _may_be_right(question, found[0].strip("\"'.,;:!* ")):
        return f"missing value: {shown(answer)}"
    if answer.isascii():
        return ""
    if "\ufffd" in answer and "\ufffd" not in question:
        return f"lost characters: {shown(answer)}"
    return f"wrongly decoded: {shown(answer)}" if is_bad(answer) and not is_bad(question) else ""


def _may_be_right(question: str, value: str) -> bool:
    """Whether what looks like a missing value may be the right answer: the question asks for something written or
    computed, for something that may be absent, or names the value itself ("null or not?").
    """
    if asked.for_words(question) or _WRITTEN.search(question):
        return True
    named = value[:1].isalpha() and re.search(rf"(?i)\b{re.escape(value)}\b", question)
    absent = value == "None" and _MAY_BE_NONE.search(question)
    no_number = value.lower() in ("null", "nil") and (_ZERO.search(question) or _SCORE.search(question))
    return bool(named or absent or no_number or (value.lower() == "undefined" and _MATHS.search(question)))
