"""What the cells of questions of your own may hold: texts that are shown, options, a picture."""

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

#: What others write beside a question, and no task here shows.
_BESIDE = {"hint", "hints", "context", "passage", "document", "choices", "options", "image2", "image3", "image4"}
#: How others call a field of ours: beside it, it must say the same.
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
_MISSING = ("nan", "<na>")  # what pandas writes for an empty cell, and nobody as a text
_DATA_URI = re.compile(r"\s*data:[^,]{0,100};base64,", re.IGNORECASE)


def picture(image: str | dict, checker: Checker) -> dict:
    """A picture, a path or {bytes, path}, as the cell {bytes, path} of a benchmark; path: None where it names no folder
    below the image folder. Raises InputError as `Checker.image` does."""
    made = checker.image(image)
    return made | {"path": made["path"] if "/" in (made["path"] or "") else None}


@lru_cache(1 << 12)
def pixels_digest(image: bytes) -> bytes:
    """By what a picture is known, however its file is called and packed: its pixels as models see them."""
    made = upright_rgb(opened(image))
    return hashlib.blake2b(made.tobytes(), digest_size=16, key=str(made.size).encode()).digest()


def from_base64(text: str) -> dict:
    """The picture in a cell: base64 of either alphabet, with line breaks and in a `data:` URI, too."""
    plain = "".join(_DATA_URI.sub("", text, 1).split()).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return {"bytes": base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True), "path": "in base64"}
    except ValueError:
        fail(f"image is {shown(text)}, not base64; write a path inside the image folder as image_path")


def picture_of(record: dict, checker: Checker) -> dict:
    """The picture of a row with image_path, or image in base64, or both where they are one picture."""
    path, text = record.get("image_path"), record.get("image")
    made = [picture(path, checker)] if given(path) else []
    if given(text):
        made.append(picture(from_base64(text), checker))
    if not made:
        fail("has neither image_path nor image; give one of them")
    if len({pixels_digest(one["bytes"]) for one in made}) > 1:
        fail(f"its image_path, {shown(path)}, and image, in base64, are two pictures; keep the one that is meant")
    return made[0]


def check_given(text: str, name: str) -> None:
    """Refuse a cell that says nothing, or what pandas writes for it, and one that can't be shown."""
    _check_shown(text, name)
    if not given(text) or text.strip().lower() in _MISSING:
        fail(f"{name} is {shown(text)}, an empty cell; fill it in or remove the row")


def _check_shown(text: str, name: str) -> None:
    check_text(text, name)
    if is_blank(text):
        fail(f"{name} is empty: nothing of {shown(text)} can be seen; fill it in or remove the row")
    if "\0" in text:
        fail(f"{name} holds a NUL at character {text.index(chr(0))}; take it out")
    if IMAGE_TOKEN in text:
        fail(f"{name} holds {IMAGE_TOKEN}; take it out: a question's picture is shown in front of it")


def options_of(record: dict) -> dict[str, str | None]:
    """The options by letter, None where there is none: an empty cell, or what pandas writes for one.

    `none` and `null` may be meant: they are an option where the answer names it, and are refused elsewhere.
    """
    options = {letter: (record.get(letter) or "").strip() or None for letter in OPTIONS}
    for letter, text in options.items():
        if text is not None and text.lower() in _MISSING:
            options[letter] = None
        elif text is not None and not given(text) and letter != record["answer"]:
            fail(
                f"option {letter} is {shown(text)}: leave it empty where there is none, or say what is meant, as in "
                "'none of these'"
            )
    return options


def check_question(record: dict, name: str, options: list[str], own: tuple[str, ...]) -> None:
    """Refuse a question, in field `name` of a record, that can't be seen, or that means more than what its `own` fields
    say and its picture shows.
    """
    texts = [record[field] for field in (name, *options)]
    check_given(record[name], name)
    for field, text in zip((name, *options), texts, strict=True):
        _check_shown(text, field)
        asked = field == name  # an option may be the name of an element of HTML
        if mark := picture_mark(text, texts, everywhere=asked) or (other_mark(text, texts) if asked else None):
            fail(
                f"{field} holds {mark}, by which others mark what is shown; take it out: the picture is shown in front"
            )
    others = {field: value for field, value in record.items() if field not in own}
    for field, value in others.items():
        if not given(value):
            continue
        is_option = len(field) == 1
        if is_option or spelt(field) in _BESIDE:
            fail(
                f"has {'an option' if is_option else 'a text'} {field}, {shown(value)}, which is not shown: the task "
                f"takes {', '.join(own)}; write it into {name}, or take it out"
            )
        _check_same(record, field, value, own)
    check_fields({"image": "shown"} | others)


def _check_same(record: dict, field: str, value, own: tuple[str, ...]) -> None:
    """Refuse a field that others write for one of `own`, and that says something else."""
    for mine in own:
        if spelt(field) in _SAME.get(mine, ()) and given(record.get(mine)):
            said = {_plain(record[mine], mine), _plain(record.get(record[mine]) if mine == "answer" else None, mine)}
            if _plain(value, mine) not in said:
                fail(
                    f"has {mine} {shown(record[mine])} and {field} {shown(value)}, which differ; keep the one that is "
                    f"meant, as {mine}"
                )


def _plain(value, name: str) -> str:
    text = " ".join(str(value).split()).casefold()
    return PurePosixPath(text).name if name.startswith("image") else text
