"""What a row says: its turns, and the fields of other trainers' formats that change what is shown or learnt.

Models here are shown text and pictures, without a system prompt, and every answer of a row is learnt whole. A row that
means anything else is refused: read without the field, it would teach what it must not. Sources of the names:
LLaMA-Factory, axolotl, ms-swift, TRL, sharegpt, LLaVA-NeXT.
"""

from __future__ import annotations

import math
import re

from cadc.config.errors import InputError
from cadc.data.reasons import check_text, fail, is_blank, shown

_SPEAKERS = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}
_MEDIA = {
    **dict.fromkeys(("video", "videos", "video_path", "video_paths"), "a video"),
    **dict.fromkeys(("audio", "audios", "audio_path", "audio_paths", "speech", "sound"), "a sound"),
}
_TURN_MEDIA = {**_MEDIA, "image": "a picture of its own", "images": "pictures of its own"}
_OTHERWISE = {  # field -> what it means, and what to do
    **dict.fromkeys(
        ("system", "system_prompt", "system_message"),
        "a system prompt, which models here are not shown; put it into the first human turn, or remove it",
    ),
    **dict.fromkeys(
        ("tools", "functions"), "functions to call, which models here are not shown; put them into a human turn"
    ),
    **dict.fromkeys(
        ("chosen", "rejected", "rejected_response", "rejected_messages", "rejected_conversations", "kto_tag"),
        "a preference, and answers are only learnt here; keep the good answer in conversations, and remove the field",
    ),
    "messages": "turns of another format; write them as conversations, a list of {from, value}",
}
_OF_A_TURN = {
    **dict.fromkeys(("tool_calls", "function_call"), "a call that is not in its text; write it into the text"),
    **dict.fromkeys(("reasoning_content", "thinking"), "words that are not in its text; write them into the text"),
    "train_detail": "parts that are not to be learnt; an answer is learnt whole: cut it, or remove the row",
}
_WEIGHTS = ("weight", "loss_weight", "loss_scale", "sample_weight")
_FLAGS = ("train", "training", "trainable", "loss")
_MISNAMED = ("image_path", "image_paths", "image_file", "image_files", "image_url", "image_urls", "img", "img_path")
#: Fields that say where a row comes from, the first that there is: ours, and Vision-Flan's.
SOURCES = ("source", "task_name")
#: The fields of a row by which it is known that it is no row of LLaVA's format; they are looked at and not kept.
TELLING = frozenset((*_MEDIA, *_OTHERWISE, *_WEIGHTS, *_FLAGS, *_MISNAMED, "label"))
_TOKEN = re.compile(r"<(video|audio|speech|sound|point_?cloud)(?:[ _-]?\d+)?>|<\|(?:video|audio)\w*\|>", re.IGNORECASE)


class Unlearnt(InputError):
    """LLaVA's code reads such a row and masks it wholly: nothing of it is learnt."""


def given(value) -> bool:
    """Whether a field holds something: tables have empty cells for rows without it."""
    if isinstance(value, dict | list):
        return any(map(given, value.values() if isinstance(value, dict) else value))
    if isinstance(value, str):
        return value.strip() not in ("", "[]", "{}")
    return value is not None and value is not False and value == value  # pandas writes NaN where nothing is


def _is_one(value) -> bool:
    try:
        return value is None or math.isnan(float(value)) or float(value) == 1
    except (TypeError, ValueError, OverflowError):
        return isinstance(value, str)  # in words, it weighs no answer


def _is_off(value) -> bool:
    return value.strip().lower() in ("false", "0", "no") if isinstance(value, str) else value in (False, 0)


def _check_learnt(holder: dict, what: str) -> None:
    """Refuse a row or an answer that is not to be learnt, or not as much as others."""
    odd = [name for name in _WEIGHTS if name in holder and not _is_one(holder[name])]
    odd += [name for name in _FLAGS if name in holder and _is_off(holder[name])]
    if odd:
        fail(
            f"{what}{odd[0]}: {shown(holder[odd[0]])}, but every answer is learnt alike here; "
            "remove what is not to be learnt, or the field"
        )


def check_fields(record: dict) -> None:
    """Refuse a row that has a field by which it means more than its turns and pictures say. Raises InputError."""
    for name in filter(TELLING.__contains__, record):
        value = record[name]
        if name in _MEDIA and given(value):
            fail(f"has {_MEDIA[name]} ({name}: {shown(value)}), which models here are not shown; remove the row")
        if name in _OTHERWISE and given(value):
            fail(f"has the field {name}, {_OTHERWISE[name]}")
        if name in _MISNAMED and given(value) and not (given(record.get("image")) or given(record.get("images"))):
            fail(f"has {name}: {shown(value)}, and no image; call the field image or images, or remove it")
    for name in ("label", "kto_tag"):  # of KTO, in TRL and ms-swift, and in LLaMA-Factory
        if record.get(name) is False:
            fail(f"has {name}: false, a bad answer, and every answer is learnt here; remove the row, or the field")
    _check_learnt(record, "has ")


def _check_turn(turn: dict, k: int, role: str, closed: frozenset[str]) -> None:
    for name, value in turn.items():
        if name in _TURN_MEDIA and given(value):
            fail(f"turn {k} has {_TURN_MEDIA[name]} ({name}); pictures belong into the row's image or images")
        if name in _OF_A_TURN and given(value):
            fail(f"turn {k} has {name}, {_OF_A_TURN[name]}")
    if role == "assistant":
        _check_learnt(turn, f"turn {k} has ")
        return
    for token in _TOKEN.finditer(turn["value"]):
        if (token[1] or "").lower() not in closed:
            fail(
                f"turn {k} holds {token[0]}: it has what models here are not shown, pictures apart; remove the row, "
                "or write the word without < and >"
            )


def check_turns(record: dict) -> list[dict[str, str]]:
    """The row's turns as role and text. Raises InputError with the reason and the fix; Unlearnt at a blank question or
    a last turn by human.
    """
    conversation = record.get("conversations")
    if isinstance(conversation, str) and conversation.lstrip().startswith("["):
        fail(f"conversations is a list within a text, {shown(conversation)}; write it as a list of {{from, value}}")
    if not isinstance(conversation, list) or not conversation:
        fail("conversations is empty or missing; give at least one human and one gpt turn, or remove the row")
    texts = [turn.get("value") for turn in conversation if isinstance(turn, dict)]
    closed = frozenset(
        word for word in ("video", "audio") if any(isinstance(text, str) and f"</{word}" in text for text in texts)
    )  # HTML's elements are no tokens
    turns = []
    for k, turn in enumerate(conversation):
        if not isinstance(turn, dict) or not isinstance(turn.get("value"), str):
            value = turn.get("value", turn.get("content")) if isinstance(turn, dict) else turn
            fail(f"turn {k} has no text in `value` but {shown(value)}; write it as {{from, value}}")
        speaker, text = turn.get("from"), turn["value"]
        role = _SPEAKERS.get(speaker) if isinstance(speaker, str) else None
        if role is None:
            fail(f"turn {k} has the unknown role {shown(speaker)}; use human or gpt")
        if role != ("user", "assistant")[k % 2]:
            first = ", or set pool.on_bad_row: llava, which leaves such a turn out" if k == 0 else ""
            fail(
                f"turn {k} is from {speaker!r} where {('human', 'gpt')[k % 2]} must speak; "
                f"turns alternate, human first{first}"
            )
        if is_blank(text):
            seen = f": nothing of {shown(text)} can be seen" if text.strip() else ""
            raise (Unlearnt if role == "user" else InputError)(
                f"turn {k} ({speaker}) is blank{seen}; write its text or remove the row"
            )
        _check_turn(turn, k, role, closed)
        turns.append({"role": role, "text": check_text(text, f"turn {k}")})
    if len(turns) % 2:
        raise Unlearnt("the last human turn has no gpt answer; add one or remove the turn")
    return turns


def begins_with_gpt(conversation) -> bool:
    """Whether a conversation's first turn is by gpt, and others follow."""
    first = conversation[0] if isinstance(conversation, list) and len(conversation) > 1 else None
    return isinstance(first, dict) and first.get("from") in ("gpt", "assistant")
