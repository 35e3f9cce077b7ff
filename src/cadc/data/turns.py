"""Check a row's conversation and return its turns in order, as role and text."""

from __future__ import annotations

from cadc.config.errors import InputError
from cadc.data.fields import check_turn_fields, has_pictures
from cadc.data.marks import other_mark, picture_mark
from cadc.data.reasons import check_text, fail, is_blank, shown
from cadc.data.wording import IMAGE_TOKEN

_SPEAKERS = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}


class OutOfTurn(InputError):
    """A row that LLaVA's own code accepts and treats specially; see `pool.on_bad_row: llava`."""


class Unlearnt(OutOfTurn):
    """A row that LLaVA's code reads but masks completely, so nothing of it is trained on."""


def _check_marks(text: str, k: int, role: str, texts: list[str], pictured: bool) -> None:
    if role == "user" and (mark := other_mark(text, texts)):
        fail(
            f"turn {k} holds {mark}, but models here see no media other than images; remove the row, "
            "or write the word without < and >"
        )
    if not pictured and (mark := picture_mark(text, texts, everywhere=role == "user")):
        fail(
            f"turn {k} holds {mark}, which other trainers read as an image, but the row has no image; write "
            f"{IMAGE_TOKEN} instead and give the row its image, or delete the mark"
        )


def check_turns(record: dict, llava: bool = False) -> list[dict[str, str]]:
    """The row's turns as role and text. Raises InputError with the reason and the fix: OutOfTurn if the first turn is
    gpt's or an answer is blank; Unlearnt if a gpt turn is the only one, the last question or answer is blank, or the
    last turn is human.

    `llava`: only empty text counts as blank, and an empty answer that other turns follow is accepted, as is its empty
    question.
    """
    conversation = record.get("conversations")
    if isinstance(conversation, str) and conversation.lstrip().startswith("["):
        fail(f"conversations is a list written as text, {shown(conversation)}; write it as a list of {{from, value}}")
    if isinstance(conversation, dict) and conversation:
        fail(
            f"conversations is one object, {shown(conversation)}, as `datasets` stores a Sequence; write it as a "
            "list of {from, value}"
        )
    if not isinstance(conversation, list) or not conversation:
        fail("conversations is empty or missing; give at least one human and one gpt turn, or remove the row")
    texts = [turn["value"] for turn in conversation if isinstance(turn, dict) and isinstance(turn.get("value"), str)]
    pictured, turns = has_pictures(record), []
    for k, turn in enumerate(conversation):
        if not isinstance(turn, dict) or not isinstance(turn.get("value"), str):
            value = turn.get("value", turn.get("content")) if isinstance(turn, dict) else turn
            fail(f"turn {k} has no text in `value`: {shown(value)}; write it as {{from, value}}")
        speaker, text = turn.get("from"), turn["value"]
        role = _SPEAKERS.get(speaker) if isinstance(speaker, str) else None
        if role is None:
            fail(f"turn {k} has the unknown role {shown(speaker)}; use human or gpt")
        if role != ("user", "assistant")[k % 2]:
            kind = InputError if k else OutOfTurn if len(conversation) > 1 else Unlearnt
            raise kind(
                f"turn {k} is from {speaker!r} but must be from {('human', 'gpt')[k % 2]}; turns alternate, human first"
            )
        last = k + 1 == len(conversation)
        unlearnt = text == "" and (last or (role == "user" and not _is_empty(conversation[k + 1])))
        if unlearnt if llava else is_blank(text):
            seen = f": {shown(text)} has no visible character" if text.strip() else ""
            raise (Unlearnt if unlearnt else OutOfTurn)(
                f"turn {k} ({speaker}) is blank{seen}; write its text or remove the row"
            )
        if len(turn) > 2:
            check_turn_fields(turn, k, role == "assistant")
        _check_marks(text, k, role, texts, pictured)
        turns.append({"role": role, "text": check_text(text, f"turn {k}")})
    if len(turns) % 2:
        raise Unlearnt("the last human turn has no gpt answer; add one or remove the turn")
    return turns


def _is_empty(turn) -> bool:
    return isinstance(turn, dict) and turn.get("value") == ""


def begins_with_gpt(conversation) -> bool:
    """Whether a conversation starts with a gpt turn that other turns follow."""
    first = conversation[0] if isinstance(conversation, list) and len(conversation) > 1 else None
    return isinstance(first, dict) and first.get("from") in ("gpt", "assistant")
