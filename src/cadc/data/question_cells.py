"""Check and read the cells of your own benchmark questions: texts, options and the image."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from pathlib import PurePosixPath

from cadc.data.checks import Checker
from cadc.data.fields import check_fields, given, spelt
from cadc.data.hub_layout import OPTIONS
from cadc.data.marks import other_mark, picture_mark
from cadc.data.pictures import opened
from cadc.data.pixels import upright_rgb
from cadc.data.reasons import check_text, fail, is_blank, shown
from cadc.data.wording import IMAGE_TOKEN

#: Fields that hold part of a question in other formats, but that no task here shows.
_BESIDE = {"hint", "hints", "context", "passage", "document", "choices", "options", "image2", "image3", "image4"}
#: Other formats' names for our fields; if both are given, they must agree.
_QUESTION, _ANSWER = {"prompt", "query", "instruction"}, {"gt", "gtanswer", "groundtruth"}
_PATH = {"imagefile", "imagename", "imgpath", "img"}
_SAME = {
    "question": {"text", *_QUESTION},
    "text": {"question", *_QUESTION},
    "answer": {"label", *_ANSWER},
    "label": {"answer", *_ANSWER},
    "image": {"imagepath", *_PATH},
    "image_path": _PATH,
}
_MISSING = ("nan", "<na>")  # written by pandas for an empty cell; never a real text
_DATA_URI = re.compile(r"\s*data:[^,]{0,100};base64,", re.IGNORECASE)


def picture(image: str | dict, checker: Checker) -> dict:
    """An image (a path or {bytes, path}) as a benchmark cell {bytes, path}. The path is None if it has no folder.

    Raises InputError as `Checker.image` does.
    """
    made = checker.image(image)
    return made | {"path": made["path"] if "/" in (made["path"] or "") else None}


@lru_cache(1 << 12)
def pixels_digest(image: bytes) -> bytes:
    """A digest of an image's pixels as models see them, independent of file name and encoding."""
    made = upright_rgb(opened(image))
    return hashlib.blake2b(made.tobytes(), digest_size=16, key=str(made.size).encode()).digest()


def from_base64(text: str) -> dict:
    """The image in a base64 cell: either alphabet, with or without line breaks and a `data:` prefix."""
    plain = "".join(_DATA_URI.sub("", text, 1).split()).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return {"bytes": base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True), "path": "in base64"}
    except ValueError:
        fail(f"image is {shown(text)}, not base64; write a path inside the image folder as image_path")


def picture_of(record: dict, checker: Checker) -> dict:
    """The image of a row that has image_path, or image in base64, or both if they are the same image."""
    path, text = record.get("image_path"), record.get("image")
    made = [picture(path, checker)] if given(path) else []
    if given(text):
        made.append(picture(from_base64(text), checker))
    if not made:
        fail("has neither image_path nor image; give one of them")
    if len({pixels_digest(one["bytes"]) for one in made}) > 1:
        fail(f"image_path {shown(path)} and the base64 image are two different images; keep the one you mean")
    return made[0]


def check_given(text: str, name: str) -> None:
    """Reject a cell that is empty (or what pandas writes for an empty cell) or that can't be shown."""
    _check_shown(text, name)
    if not given(text) or text.strip().lower() in _MISSING:
        fail(f"{name} is {shown(text)}, an empty cell; fill it in or remove the row")


def _check_shown(text: str, name: str) -> None:
    check_text(text, name)
    if is_blank(text):
        fail(f"{name} is empty: {shown(text)} has no visible character; fill it in or remove the row")
    if "\0" in text:
        fail(f"{name} holds a NUL at character {text.index(chr(0))}; delete it")
    if IMAGE_TOKEN in text:
        fail(f"{name} holds {IMAGE_TOKEN}; delete it: the image is shown before the question")


def options_of(record: dict) -> dict[str, str | None]:
    """The options by letter; None for a missing one (an empty cell, or what pandas writes for it).

    `none` and `null` are valid options only if they are the answer; otherwise they are rejected as ambiguous.
    """
    options = {letter: (record.get(letter) or "").strip() or None for letter in OPTIONS}
    for letter, text in options.items():
        if text is not None and text.lower() in _MISSING:
            options[letter] = None
        elif text is not None and not given(text) and letter != record["answer"]:
            fail(
                f"option {letter} is {shown(text)}: leave the cell empty if there is no such option, or write it out, "
                "as in 'none of these'"
            )
    return options


def check_question(record: dict, name: str, options: list[str], own: tuple[str, ...]) -> None:
    """Reject a question (in field `name` of a record) that is not visible text, or that depends on anything other than
    its `own` fields and its image.
    """
    texts = [record[field] for field in (name, *options)]
    check_given(record[name], name)
    for field, text in zip((name, *options), texts, strict=True):
        _check_shown(text, field)
        asked = field == name  # an option may be the name of an HTML element
        if mark := picture_mark(text, texts, everywhere=asked) or (other_mark(text, texts) if asked else None):
            fail(f"{field} holds {mark}, a mark for media in other formats; delete it: the image is shown first")
    others = {field: value for field, value in record.items() if field not in own}
    for field, value in others.items():
        if not given(value):
            continue
        is_option = len(field) == 1
        if is_option or spelt(field) in _BESIDE:
            fail(
                f"has {'an option' if is_option else 'a text'} {field}, {shown(value)}, which is not shown: the task "
                f"reads {', '.join(own)}; move it into {name}, or delete it"
            )
        _check_same(record, field, value, own)
    check_fields({"image": "shown"} | others)


def _check_same(record: dict, field: str, value, own: tuple[str, ...]) -> None:
    """Reject a field that is another name for one of `own` but has a different value."""
    for mine in own:
        if spelt(field) in _SAME.get(mine, ()) and given(record.get(mine)):
            said = {_plain(record[mine], mine), _plain(record.get(record[mine]) if mine == "answer" else None, mine)}
            if _plain(value, mine) not in said:
                fail(
                    f"has {mine} {shown(record[mine])} and {field} {shown(value)}, which differ; keep the right one "
                    f"as {mine}"
                )


def _plain(value, name: str) -> str:
    text = " ".join(str(value).split()).casefold()
    return PurePosixPath(text).name if name.startswith("image") else text
