"""Reject rows, turns and questions with fields that change what they mean.

Models here see text and images without a system prompt, and training uses every answer of a row in full. A row whose
fields say otherwise is rejected, because ignoring the field would train on the wrong thing. A field's meaning is
inferred from its name (`field_names`); unread media are also found by value (`media_values`).
"""

from __future__ import annotations

import re

from cadc.data.field_names import SOURCES, kinds, spelt
from cadc.data.field_values import given, holds_places, is_off, is_on, is_one, says, texts_of
from cadc.data.media_values import files_of, medium_of, seen
from cadc.data.reasons import fail, shown
from cadc.data.wording import IMAGE_TOKEN

#: The fields of a row of the pool; `source` is found by `source_of`.
OWN = ("id", "image", "images", "conversations")

_REMOVE = "which models here don't see; remove the row"
_NAME = "of which models here see only images; list these in images, each with its <image>, or remove the row"
_MEDIA = {
    "video": ("a video", _REMOVE),
    "sound": ("a sound", _REMOVE),
    "frames": ("frames of a video", _NAME),
    "media": ("media", _NAME),
}
_PLACES = "coordinates in its image, which models here don't see; write them into the text, or remove the field"
_OTHERWISE = {  # kind of a row's field -> what it means, and what to do
    "places": _PLACES,
    "places, if any": _PLACES,
    "system": "a system prompt, which models here don't see; move it into the first human turn, or remove it",
    "words": "a text that is in no turn, and models here see only turns; move it into the first human turn, or "
    "remove it",
    "tools": "functions to call, which models here don't see; move them into a human turn",
    "history": "earlier turns, which models here don't see; move them into conversations, or remove it",
    "preference": "a preference, but training here uses answers only; keep the good answer in conversations, and "
    "remove the field",
    "turns": "turns in another format; write them as conversations, a list of {from, value}",
}
_OF_A_TURN = {
    "places": _PLACES,
    "places, if any": _PLACES,
    "system": _OTHERWISE["system"],
    "tools": _OTHERWISE["tools"],
    "call": "a call that is not in its text; write it into the text",
    "thoughts": "words that are not in its text; write them into the text",
    "part": "parts to exclude from the loss, but training here uses whole answers; cut the answer, or remove the row",
}
_BY_NAME = {  # kind of a field that names or announces a medium -> the medium
    **dict.fromkeys(("video's name", "has a video"), "video"),
    **dict.fromkeys(("sound's name", "has a sound"), "sound"),
    "has a picture": "picture",
}
_PICTURES = ("picture", "another picture")
_LEARNING = {"weight", "learnt", "masked", "unlearnt"}
_NAMES_TOO = {"places, if any"}  # may also hold names of things, which are not read
#: Kinds of fields of rows and turns that are always handled: they are read or rejected, never ignored.
_OF_ROWS = {*_MEDIA, *_OTHERWISE, *_LEARNING, "source"} - _NAMES_TOO
_OF_TURNS = {*_MEDIA, *_OF_A_TURN, *_LEARNING, *_PICTURES, "text"} - _NAMES_TOO
_MODALITY = re.compile(
    r"(?i)(?:single|multi|multiple|interleaved?)?[-_ ]?(video|audio|sound|speech|image|img|picture|photo)s?"
    r"(?:[-_ ](?:text|qa|only|captions?)|/[\w.+-]+)?"
)
_BY_MODALITY = {"video": "video", "audio": "sound", "sound": "sound", "speech": "sound"}
_REFUSED = ("reject", "rejected", "dispreferred", "undesirable")  # labels of bad answers


def _check_learnt(name: str, value, what: str) -> None:
    """Reject a row or answer marked as excluded from training or weighted differently from others."""
    kind = kinds(name)
    if "verdict" in kind:
        no = is_off(value) if "preference" in kind else "label" in spelt(name) and str(value).strip().lower() == "false"
        if no or str(value).strip().lower() in _REFUSED:
            told = "false" if no else shown(value)
            fail(f"{what}{name}: {told}, a bad answer, but training uses every answer; remove the row, or the field")
    if (
        ("weight" in kind and not is_one(value))
        or ("learnt" in kind and is_off(value))
        or ("masked" in kind and says(value))
        or ("unlearnt" in kind and is_on(value))
    ):
        fail(
            f"{what}{name}: {shown(value)}, but training gives every answer the same weight; "
            "remove what should not be trained on, or the field"
        )


def _plain(text: str) -> str:
    return " ".join(text.replace(IMAGE_TOKEN, " ").split()).casefold()


def _turns_of(record: dict) -> list[dict]:
    """The turns of an unchecked row."""
    conversation = record.get("conversations")
    return [turn for turn in conversation if isinstance(turn, dict)] if isinstance(conversation, list) else []


def _is_said(value, record: dict) -> bool:
    """Whether a row's turns contain each text of a value, or the row has no turns."""
    said = " ".join(_plain(turn["value"]) for turn in _turns_of(record) if isinstance(turn.get("value"), str))
    return not said or all(_plain(text) in said for text in texts_of(value))


def _means_otherwise(name: str, value, record: dict) -> str:
    """The kind in `_OTHERWISE` of a row's non-empty field; '' if it has none."""
    for kind in _OTHERWISE:
        if kind in kinds(name):
            named = kind == "places, if any" and not holds_places(value)
            if not named and not (kind == "words" and _is_said(value, record)):
                return kind
    return ""


def _medium(name: str, value) -> str:
    """The medium that a field names, holds or announces; '' if none."""
    kind = kinds(name)
    if isinstance(value, float) and not kind & {"has a picture", "has a video", "has a sound"}:
        return ""  # a score
    if told := next((medium for own, medium in _BY_NAME.items() if own in kind), ""):
        return told
    if kind.intersection(_PICTURES):
        return "picture"
    if "modality" in kind:
        modalities = (
            _MODALITY.fullmatch(part.strip()) for text in texts_of(value) for part in re.split("[,;+|&]", text)
        )
        return next((_BY_MODALITY.get(found[1].lower(), "picture") for found in modalities if found), "")
    return medium_of(value, name)


def _check_unread(name: str, value, record: dict, what: str) -> None:
    """Reject a field that announces media if the row is read without any, or with fewer images."""
    if not has_pictures(record):
        medium = _medium(name, value)
        if medium == "picture":
            named = not kinds(name) & {"has a picture", "modality"}
            then = "name the field image or images" if named else "give the row its image"
            fail(f"{what}{name}: {seen(value)}, but no image; {then}, or remove it")
        if medium:
            fail(f"{what}a {medium} ({name}: {seen(value)}), {_REMOVE}, or only the field if the text stands alone")
        return
    read = files_of(record.get("image")) | files_of(record.get("images"))
    if "another picture" in kinds(name) and not files_of(value) <= read:
        fail(
            f"{what}{name}: {seen(value)}, an image that is not read; list all images in images, each with its "
            "<image>, or remove the field"
        )


def check_fields(record: dict) -> None:
    """Raise InputError for a row with a field that changes the meaning of its turns and images."""
    for name, value in record.items():
        if name in OWN:
            continue
        kind = kinds(name)
        if says(value):
            if medium := next((own for own in _MEDIA if own in kind), ""):
                fail(f"has {_MEDIA[medium][0]} ({name}: {seen(value)}), {_MEDIA[medium][1]}")
            if meant := _means_otherwise(name, value, record):
                fail(f"has the field {name}, {_OTHERWISE[meant]}")
            if not kind & {"source", *_LEARNING}:
                _check_unread(name, value, record, "has ")
        _check_learnt(name, value, "has ")
    for k, turn in enumerate(_turns_of(record)):
        for name, value in turn.items() if len(turn) > 2 else ():
            if name not in ("from", "value") and not kinds(name) & _OF_TURNS and says(value):
                _check_unread(name, value, record, f"turn {k} has ")


def check_turn_fields(turn: dict, k: int, is_answer: bool) -> None:
    """Raise InputError for a turn with a field that changes the meaning of its text."""
    for name, value in turn.items():
        if name in ("from", "value"):
            continue
        kind = kinds(name)
        if says(value):
            medium = next((_MEDIA[own][0] for own in _MEDIA if own in kind), "")
            if medium or kind.intersection(_PICTURES):
                fail(
                    f"turn {k} has {medium or 'an image of its own'} ({name}); move images to the row's image or images"
                )
            for own, meant in _OF_A_TURN.items():
                if own in kind and not ("masked" in kind or (own == "places, if any" and not holds_places(value))):
                    fail(f"turn {k} has {name}, {meant}")
            if "text" in kind and value != turn["value"]:
                fail(f"turn {k} has value and {name}, which differ; keep the right one as value")
        if is_answer:
            _check_learnt(name, value, f"turn {k} has ")


def unread_of_row(record: dict) -> list[str]:
    """Names of a row's fields that hold a value but are ignored."""
    return [
        name for name, value in record.items() if name not in OWN and not kinds(name) & _OF_ROWS and value is not None
    ]


def unread_of_turns(record: dict) -> set[str]:
    """Names of fields of a row's turns that hold a value but are ignored."""
    return {
        name
        for turn in _turns_of(record)
        if len(turn) > 2
        for name, value in turn.items()
        if name not in ("from", "value") and not kinds(name) & _OF_TURNS and value is not None
    }


def has_pictures(record: dict) -> bool:
    """Whether a row names or holds an image."""
    return given(record.get("image")) or given(record.get("images"))


def source_of(record: dict):
    """The source that a row states in the first of the `SOURCES` fields that it has; None if it states none.

    Other formats' field names count only if they hold a text or a number, because they have other uses too.
    """
    there = {
        known: value
        for name, value in record.items()
        if (known := spelt(name)) in SOURCES
        and given(value)
        and (known in SOURCES[:2] or isinstance(value, str | int | float))
    }
    return next((there[known] for known in SOURCES if known in there), None) if there else None
