"""Words of texts in any script, including those without blanks between words, and quotations (ours)."""

from __future__ import annotations

import re

_CJK = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff"
_SOUTH_EAST = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\ua980-\ua9df\uaa60-\uaa7f"
_RUNS = re.compile(rf"([{_CJK}]+)|([{_SOUTH_EAST}]+)|([^\s{_CJK}{_SOUTH_EAST}]+)")
_LONG = 60  # characters; longer runs are not words but have lost their blanks
_RULE = re.compile(r"[-|=+:_*~.·]+")  # a rule in a table

#: Quotations and code. Each pattern stops at the next opening mark, so that the time is linear in the text's length.
_QUOTED = re.compile(
    r"```.*?```|`[^`\n]*`|\"[^\"]*\"|“[^“”]*”|„[^„“”]*[“”]|”[^„“”\n]*”|«[^«»]*»|"
    r"»[^«»\n]*«|‹[^‹›]*›|"
    r"「[^「」]*」|『[^『』]*』|《[^《》]*》|〈[^〈〉]*〉|"
    r"‘(?:[^‘’'\n]|(?<=\w)[’'](?=\w))*[’'](?!\w)|(?<!\w)'(?:[^'\n]|(?<=\w)'(?=\w))+'(?!\w)",
    re.DOTALL,
)


_QUOTES = re.compile(r"[`\"“„”«»‹「『《〈‘]|(?<!\w)'")


def unquoted(text: str) -> str:
    """A text without quotations and code."""
    return _QUOTED.sub(" ", text) if _QUOTES.search(text) else text


def one_of(text: str) -> str:
    """Alternatives of a pattern written over several lines, with blanks around each |. A line that ends with another |
    or with (?: continues without a blank.
    """
    joined = re.sub(r"((?<=\S)\||\(\?:)\n\s*", r"\1", text.strip())
    return "|".join(" ".join(alternative.split()) for alternative in re.split(r"\s\|\s", joined))


def _runs(text: str) -> list[tuple[str, int]]:
    """A text's runs without blanks, each with the number of characters per word: 0 for a run that is one word.

    Chinese and Japanese words have about 2 characters; Thai, Lao, Khmer and Burmese words about 4, including combining
    marks. Rules of tables count as one word, unless they are the whole text.
    """
    if text.isascii() and max(map(len, words := text.split()), default=0) <= _LONG:
        return [(word, 0) for word in words]
    out = []
    for cjk, south_east, other in _RUNS.findall(text):
        lost = len(other) > _LONG and (not _RULE.fullmatch(other) or other == text.strip())
        out.append((cjk or south_east or other, 2 if cjk else 4 if south_east or lost else 0))
    return out


def word_count(text: str) -> int:
    """The number of words: separated by blanks, or estimated from the number of characters."""
    if text.isascii():
        return len(text.split())
    return round(sum(len(run) / size if size else 1 for run, size in _runs(text)))


def units(text: str) -> tuple[list[str], int]:
    """The units in which repetition is counted (words or single characters), and how many of the most frequent kind
    make a word.
    """
    out: list[str] = []
    counts = {0: 0, 2: 0, 4: 0}
    for run, size in _runs(text):
        own = run if size else (run,)
        out += own
        counts[size] += len(own)
    return out, max(counts, key=counts.get) or 1
