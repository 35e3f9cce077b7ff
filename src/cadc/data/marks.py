"""Placeholders in a text for media: images as other trainers mark them, videos, sounds.

Text that merely mentions such marks passes: marks in code (between backticks), closed XML elements, HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_ANY = re.IGNORECASE
#: Marks that always stand for an image: Qwen-VL, Phi-3, LLaVA, InternVL, MiniGPT-4, Gemma, Pixtral, MMMU.
_SURE = re.compile(
    r"<\|(?:\w*[_ ]|\w*of)?(?:image|img|vision|picture)[\w ]*\|>"
    r"|<(?:image|img|im)[ _-]?(?:\d+|here|patch|plh|placeholder|token|context|start|end|pad|soft[ _-]token)>"
    r"|<(?:start|begin|end|fake_token_around)_(?:of_)?image>"
    r"|<img>[^<>\n]+</img>"  # HTML's <img> is never closed
    r"|\[IMG_(?:BREAK|END)\]",
    _ANY,
)
#: Marks that stand for an image only if they stand alone.
_ONE = r"(?i:<(?:img|picture|pic)>)|(?!<image>)(?i:< ?image ?/?>)|\[IMG\]"
_MAYBE = re.compile(rf"(?:(?:{_ONE})\s*)+")
_HTML = re.compile(
    r"\b(?:x?html5?|css|jsx|xml|svg|bbcode|markdown|tags?|elements?|attributes?|browsers?|web ?(?:page|site)s?)\b"
    r"|</?(?:a|b|p|br|div|span|body|head|ul|ol|li|table|tr|td|script|style|section|header|footer|figure|h\d)\b[^<>]*>"
    r"|<(?:img|source)\s+\w+|\[/img\]",
    _ANY,
)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_NEVER_SHOWN = re.compile(
    r"<(video|vid|audio|speech|sound|point_?cloud)(?:[ _-]?(?:\d+|here|patch|pad|placeholder|token|start|end))?>"
    r"|<\|(?:video|audio)\w*\|>",
    _ANY,
)


def _alone(text: str, start: int, end: int) -> bool:
    """Whether a part of a text fills its lines, or stands first in the text, or last and separated by white space."""
    before, after = text[max(0, start - 100) : start].rstrip(" \t"), text[end : end + 100].lstrip(" \t\r")
    first, last = start == 0, end == len(text)
    return first or (last and text[start - 1].isspace()) or (before.endswith("\n") and after.startswith("\n"))


def picture_mark(text: str, context: Iterable[str], everywhere: bool = True) -> str | None:
    """The first mark in a text that other trainers read as an image; None if there is none.

    `context`: the surrounding texts, used to tell whether they are about HTML. With `everywhere` False (answers), only
    unambiguous marks that stand alone count.
    """
    if not (_SURE.search(text) or _MAYBE.search(text)):
        return None
    text, around = _CODE.sub("", text).strip(), "\n".join(context)
    for mark in _SURE.finditer(text):
        word = re.match(r"<([\w -]+)>\Z", mark[0])
        closed = word is not None and f"</{word[1]}>" in around
        if not closed and (everywhere or _alone(text, *mark.span())):
            return mark[0]
    if everywhere and not _HTML.search(around):
        for mark in _MAYBE.finditer(text):
            if _alone(text, mark.start(), mark.start() + len(mark[0].rstrip())):
                return re.match(_ONE, mark[0])[0]
    return None


def other_mark(text: str, context: Iterable[str]) -> str | None:
    """The first mark in a text that stands for a video or a sound; None if there is none.

    `context`: the surrounding texts. If they close it (`</video>`), it is an HTML element.
    """
    for mark in _NEVER_SHOWN.finditer(text):
        word = (mark[1] or "").lower()
        if word not in ("video", "audio") or not any(f"</{word}" in said for said in context):
            return mark[0]
    return None
