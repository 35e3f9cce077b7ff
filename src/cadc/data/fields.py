"""Fields by which a row, a turn or a question means more than its texts and pictures say.

Models here are shown text and pictures, without a system prompt, and every answer of a row is learnt whole. What means
anything else is refused: read without the field, it would teach what it must not. Fields are known in any spelling:
`systemPrompt`, `System-Prompt` and `system_prompt` are one. Sources of the names: LLaMA-Factory, axolotl, ms-swift,
TRL, sharegpt, LLaVA-NeXT, Shikra, Vision-Flan.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

from cadc.data.reasons import fail, shown

#: The fields of a row of the pool; `source` is found by `source_of`.
OWN = ("id", "image", "images", "conversations")
_NOTHING = {"", "[]", "{}", '[""]', "none", "null", "nan"}  # what tables and scripts write where nothing is


@lru_cache(1 << 12)
def spelt(name: str) -> str:
    """A field's name without case, blanks, hyphens and underscores."""
    return re.sub(r"[\W_]", "", name).lower()


def _each(names: str, meaning) -> dict[str, object]:
    return dict.fromkeys(map(spelt, names.split()), meaning)


_REMOVE = "which models here are not shown; remove the row"
_NAME = "of which models here are shown pictures alone; name these in images, each with its <image>, or remove the row"
_MEDIA = {
    **_each("video videos video_path video_paths video_file video_files video_url video_urls", ("a video", _REMOVE)),
    **_each("audio audios audio_path audio_paths audio_file audio_url speech sound sounds", ("a sound", _REMOVE)),
    **_each("frames frame_paths video_frames", ("frames of a video", _NAME)),
    **_each("media medias media_path media_paths media_files", ("media", _NAME)),
}
#: How others call the field of a row's pictures.
_MISNAMED = frozenset(
    _each(
        """image images image_path image_paths image_file image_files image_url image_urls image_name image_names
        image_id image_list image_bytes image_base64 img imgs img_path img_paths picture pictures photo photos""",
        None,
    )
)
_PLACES = _each(
    "bbox bboxes bounding_box bounding_boxes boxes mask masks segmentation segmentations objects",
    "places in its picture, which models here are not shown; write them into the text, or remove the field",
)
_OTHERWISE = {  # field -> what it means, and what to do
    **_PLACES,
    **_each(
        "system system_prompt system_message system_instruction sys sys_prompt",
        "a system prompt, which models here are not shown; put it into the first human turn, or remove it",
    ),
    **_each("tools functions", "functions to call, which models here are not shown; put them into a human turn"),
    **_each("history", "earlier turns, which models here are not shown; put them into conversations, or remove it"),
    **_each(
        "chosen rejected rejected_response rejected_messages rejected_conversations rejected_images kto_tag",
        "a preference, and answers are only learnt here; keep the good answer in conversations, and remove the field",
    ),
    **_each(
        "messages conversation conversations",
        "turns of another format; write them as conversations, a list of {from, value}",
    ),
}
_OF_A_TURN = {
    **_PLACES,
    **_each("tool_calls function_call", "a call that is not in its text; write it into the text"),
    **_each("reasoning_content reasoning thinking", "words that are not in its text; write them into the text"),
    **_each("train_detail", "parts that are not to be learnt; an answer is learnt whole: cut it, or remove the row"),
}
del _OF_A_TURN["mask"], _OF_A_TURN["masks"]  # of an answer, it is not to be learnt
_TEXTS = frozenset(_each("value text content", None))
_WEIGHTS = frozenset(_each("weight weights loss_weight loss_scale sample_weight", None))
_FLAGS = frozenset(_each("train training trainable learn loss loss_mask", None))
_HIDING = frozenset(_each("mask masks masked ignore ignored", None))
#: Fields that say where a row comes from, the first that there is: ours, Vision-Flan's, LLaVA-OneVision's, others'.
_SOURCES = tuple(_each("source task_name data_source source_dataset dataset dataset_name data_name", None))
#: Whatever of a row is looked at besides its own fields, by `spelt`.
TELLING = frozenset((*_MEDIA, *_OTHERWISE, *_WEIGHTS, *_FLAGS, *_HIDING, *_MISNAMED, *_SOURCES, "label"))


def given(value) -> bool:
    """Whether a field holds something: tables have empty cells for rows without it."""
    if isinstance(value, dict | list):
        return any(map(given, value.values() if isinstance(value, dict) else value))
    if isinstance(value, str):
        return value.strip().lower() not in _NOTHING
    return value is not None and value is not False and value == value  # pandas writes NaN where nothing is


def says(value) -> bool:
    """Whether a field that should be empty holds something: 0 and `false` are how others write that it does not."""
    if isinstance(value, str):
        return given(value) and not _is_off(value)
    return given(value) and value != 0


def _is_one(value) -> bool:
    if isinstance(value, list):
        return all(map(_is_one, value))
    try:
        return value is None or math.isnan(float(value)) or float(value) == 1
    except (TypeError, ValueError, OverflowError):
        return isinstance(value, str)  # in words, it weighs no answer


def _is_off(value) -> bool:
    if isinstance(value, list):
        return any(map(_is_off, value))
    if isinstance(value, str):
        return value.strip().lower() in ("false", "0", "0.0", "no", "off")
    return value in (False, 0)


def _check_learnt(name: str, value, what: str) -> None:
    """Refuse a row or an answer that is not to be learnt, or not as much as others."""
    known = spelt(name)
    if (
        (known in _WEIGHTS and not _is_one(value))
        or (known in _FLAGS and _is_off(value))
        or (known in _HIDING and says(value))
    ):
        fail(
            f"{what}{name}: {shown(value)}, but every answer is learnt alike here; "
            "remove what is not to be learnt, or the field"
        )


def _names_alone(known: str, value) -> bool:
    """Whether `objects` are names, not places."""
    return known == "objects" and not re.search(r"\d", str(value))


def check_fields(record: dict) -> None:
    """Refuse a row that has a field by which it means more than its turns and pictures say. Raises InputError."""
    for name, value in record.items():
        if name in OWN or (known := spelt(name)) not in TELLING:
            continue
        if says(value):
            if known in _MEDIA:
                what, then = _MEDIA[known]
                fail(f"has {what} ({name}: {shown(value)}), {then}")
            if known in _OTHERWISE and not _names_alone(known, value):
                fail(f"has the field {name}, {_OTHERWISE[known]}")
            if known in _MISNAMED and not has_pictures(record):
                fail(f"has {name}: {shown(value)}, and no image; call the field image or images, or remove it")
        bad = _is_off(value) if known == "ktotag" else str(value).strip().lower() == "false"
        if known in ("label", "ktotag") and bad:  # of KTO, in TRL and ms-swift, and in LLaMA-Factory
            fail(f"has {name}: false, a bad answer, and every answer is learnt here; remove the row, or the field")
        _check_learnt(name, value, "has ")


def check_turn_fields(turn: dict, k: int, is_answer: bool) -> None:
    """Refuse a turn that has a field by which it means more than its text. Raises InputError."""
    for name, value in turn.items():
        if name in ("from", "value"):
            continue
        known = spelt(name)
        if says(value):
            if known in _MEDIA or known in _MISNAMED:
                what = _MEDIA[known][0] if known in _MEDIA else "a picture of its own"
                fail(f"turn {k} has {what} ({name}); pictures belong into the row's image or images")
            if known in _OF_A_TURN and not _names_alone(known, value):
                fail(f"turn {k} has {name}, {_OF_A_TURN[known]}")
            if known in _TEXTS and value != turn["value"]:
                fail(f"turn {k} has value and {name}, which differ; keep the one that is meant, as value")
        if is_answer:
            _check_learnt(name, value, f"turn {k} has ")


def has_pictures(record: dict) -> bool:
    """Whether a row names a picture or holds one."""
    return given(record.get("image")) or given(record.get("images"))


def source_of(record: dict):
    """Where a row says that it comes from, by the first of `_SOURCES` that it has; None where it does not.

    Others' names for it count where they hold a text or a number: they mean other things, too.
    """
    there = {
        known: value
        for name, value in record.items()
        if (known := spelt(name)) in _SOURCES
        and given(value)
        and (known in _SOURCES[:2] or isinstance(value, str | int | float))
    }
    return next((there[known] for known in _SOURCES if known in there), None) if there else None
