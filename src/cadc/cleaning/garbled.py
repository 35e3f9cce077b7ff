"""Answers that a program left in the place of one: missing values, and text that was decoded wrongly."""

from __future__ import annotations

import re

from ftfy.badness import is_bad

from cadc.cleaning.findings import shown

#: How programs write that there is nothing.
_MISSING = re.compile(
    r"\W*(?:nan|NaN|NAN|None|null|Null|NULL|NaT|<NA>|#?[Nn]/[Aa]|#NAME\?|#REF!|#VALUE!|\[object Object\]|"
    r"\[?<?(?:UNK|unk|PAD|pad)>?\]?|\[(?:MASK|mask|deleted|removed)\])\W*|\.{2,}|…+"
)
#: Questions that such an answer may be right for: for what is written or computed, or for something that may be absent.
_WRITTEN = re.compile(
    r"(?i)\b(codes?|program|function|outputs?|prints?|printed|returns?|variables?|values?|cells?|tables?|columns?|"
    r"rows?|fields?|forms?|documents?|invoice|receipt|"
    r"chart|graph|read|reads|says?|said|written|texts?|words?|labels?|labell?ed|displays?|displayed|screen|sign|"
    r"names?|named|called|letters?|titles?|bubble|symbols?|abbreviations?|"
    r"stand for|number|no\.|fax|phone|date|address|entry|entries|listed|stated|mentioned|indicated|given|element|"
    r"bread)\b"
)
_MAY_BE_NONE = re.compile(
    r"(?i)\b(how (many|much)|any|anyone|anything|anybody|else|other|which|who|whom|whose|none|nothing|is there|"
    r"are there|wear(s|ing)?|hold(s|ing)?|carry(ing)?|carries|"
    r"eat(s|ing)?|missing|options?|choices?|above|in common|between|wrong|unusual|unsafe|danger(s|ous)?|hazards?|"
    r"problems?|errors?|differences?|pattern|logo|sport|pets?|animals?)\b|"
    r"\bwhat('s| is| are)( \w+){0,2} (on|in|under|behind|beside|near|next|above|below|inside|between|around|at|to|"
    r"over)\b"
)


def garbled(question: str, answer: str) -> str:
    """What is left of an answer that a program lost, as `kind: what`; '' where it is a text.

    `None` answers what may be absent, `N/A` what is written somewhere. Wrong decodings are found by ftfy (Speer 2019).
    """
    found = _MISSING.fullmatch(answer.strip())
    if found and not _WRITTEN.search(question):
        spoken = found[0].strip("\"'.,;:!* ")
        if spoken != "None" or not _MAY_BE_NONE.search(question):
            return f"missing value: {shown(answer)}"
    if answer.isascii():
        return ""
    if "\ufffd" in answer and "\ufffd" not in question:
        return f"lost characters: {shown(answer)}"
    return f"wrongly decoded: {shown(answer)}" if is_bad(answer) and not is_bad(question) else ""
