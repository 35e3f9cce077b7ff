"""Turns as a chat: the template's text in pieces, those to be learnt marked, and the tokens of all of them.

The rendered conversation is tokenized whole, as the processor itself does it. The model learns an answer up to and
including its end of turn. What it is trained to continue is, token for token, what it gets at generation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from transformers import PreTrainedTokenizerBase, ProcessorMixin

from cadc.config.errors import InputError, first_line
from cadc.data.wording import IMAGE_TOKEN

#: Written into the name of a control token where a turn's text holds one, so that it stays text: a noncharacter.
_APART = "\ufdd0"


#: How turns become text, `model.text`: `trimmed` (ours) or `llava`, see `to_messages`.
TextRule = Literal["trimmed", "llava"]


def to_messages(turns: Sequence[dict[str, str]], rule: TextRule = "trimmed", pictured: bool = True) -> list[dict]:
    """LLaVA turns as chat messages: each `<image>` becomes an image part, and unless `pictured` stays text.

    `trimmed`: in place in a human turn, and the text around it loses its white space. An answer keeps its indentation,
    and loses blank lines in front and white space behind.
    `llava`, as haotian-liu/LLaVA's `preprocess_multimodal`: a turn with pictures has them in front, and its text, the
    marks taken out, loses white space in front and behind; every other turn is left as it is written.
    """
    return [{"role": turn["role"], "content": _parts(turn, rule, pictured)} for turn in turns]


def _parts(turn: dict[str, str], rule: TextRule, pictured: bool) -> list[dict[str, str]]:
    """One turn's pictures and texts."""
    text, answers = turn["text"], turn["role"] == "assistant"
    marks = text.count(IMAGE_TOKEN) if pictured else 0
    if rule == "llava" or answers:
        text = text.replace(IMAGE_TOKEN, "") if marks else text
        if rule == "trimmed":
            text = re.sub(r"\A(?:[^\S\n]*\n)+", "", text).rstrip()
        elif marks:
            text = text.strip()
        return [{"type": "image"}] * marks + ([{"type": "text", "text": text}] if text or answers else [])
    parts: list[dict[str, str]] = []
    for i, piece in enumerate(text.split(IMAGE_TOKEN) if marks else [text]):
        if i:
            parts.append({"type": "image"})
        if piece.strip():
            parts.append({"type": "text", "text": piece.strip()})
    return parts


def segments(processor: ProcessorMixin, messages: list[dict]) -> list[tuple[str, bool]]:
    """The rendered conversation in pieces (text, is_answer), up to the end of its last answer or, after a user turn, to
    where an answer begins.

    An answer ends with the special token by which the template ends a turn; the line break that often follows belongs
    to the next turn. Where a template renders no such token (LLaVA-1.5's), the tokenizer's end of sequence is added, as
    in LLaVA's own training: else no answer would be learnt to stop. Of an empty answer nothing is learnt (LLaVA).
    Raises InputError if there is no template, if it rewrites earlier turns, or if there is neither such token.
    """
    pieces, cursor, asks = [], 0, messages[-1]["role"] == "user"
    try:
        full = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=asks)
    except ValueError as error:  # transformers', where a processor has none
        why = first_line(error)
        raise InputError(f"no chat template can be applied ({why}); set model.chat_template to a file") from error
    for k, message in enumerate(messages):
        if message["role"] != "assistant" or message["content"] == [{"type": "text", "text": ""}]:
            continue
        prompt = processor.apply_chat_template(messages[:k], tokenize=False, add_generation_prompt=True)
        upto = processor.apply_chat_template(messages[: k + 1], tokenize=False) if k + 1 < len(messages) else full
        if not (full.startswith(prompt) and full.startswith(upto)):
            raise InputError(
                "the chat template renders earlier turns differently once later ones follow; answers can't be masked"
            )
        answer = upto[len(prompt) :].rstrip()
        pieces += [(full[cursor : len(prompt)], False), (_ended(answer, processor.tokenizer), True)]
        cursor = len(prompt) + len(answer)
    return [*pieces, (full[cursor:], False)] if asks else pieces


def rendered(processor: ProcessorMixin, messages: list[dict]) -> list[tuple[str, bool]]:
    """`segments` of messages whose texts hold no control token, whatever they say."""
    names = _special_tokens(processor.tokenizer)
    begin = re.compile(f"(?=({'|'.join(map(re.escape, names))}))(.)", re.DOTALL)

    def apart(part: dict) -> dict:
        if part["type"] != "text" or not any(name in part["text"] for name in names):
            return part
        return {**part, "text": begin.sub(lambda found: found[2] + _APART, part["text"])}

    messages = [{**message, "content": list(map(apart, message["content"]))} for message in messages]
    return segments(processor, messages)


def _ended(answer: str, tokenizer: PreTrainedTokenizerBase) -> str:
    """`answer` with an end of turn: a control token at its end is the template's, see `rendered`."""
    if answer.endswith(_special_tokens(tokenizer)):
        return answer
    if tokenizer.eos_token is None:
        raise InputError(
            "the chat template ends no answer with a special token, and the tokenizer has no eos_token; give it one"
        )
    return answer + tokenizer.eos_token


@lru_cache(maxsize=4)
def _special_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    return tuple(token.content for token in tokenizer.added_tokens_decoder.values() if token.special)


def end_of_turn(processor: ProcessorMixin) -> int:
    """The token with which every learnt answer ends, and at which generation stops."""
    (_, (answer, _)) = segments(
        processor, to_messages([{"role": "user", "text": "a"}, {"role": "assistant", "text": "a"}])
    )
    return processor.tokenizer(answer, add_special_tokens=False)["input_ids"][-1]


def tokens_of(
    tokenizer: PreTrainedTokenizerBase, pieces: list[tuple[str, bool]], apart: str | None = None
) -> list[tuple[int, bool]]:
    """The tokens of `rendered` pieces, and whether each is to be learnt.

    `apart`: the name of a control token, a picture's mark. The text between two of them is then tokenized by itself, as
    LLaVA's `tokenizer_image_token` does: tokenizers of Llama's kind put a space in front of it.
    """
    made, stretch = _begin(tokenizer, pieces[0][0]), []
    for text, is_answer in pieces:
        for k, part in enumerate(text.split(apart) if apart else [text]):
            if k:
                made += [*_all_tokens(tokenizer, stretch), (tokenizer.convert_tokens_to_ids(apart), is_answer)]
                stretch = []
            stretch += [(part, is_answer)] if part else []
    return made + _all_tokens(tokenizer, stretch)


def _begin(tokenizer: PreTrainedTokenizerBase, text: str) -> list[tuple[int, bool]]:
    """What the tokenizer puts in front of a text: its beginning of sequence (Llama's), where the template has not."""
    if tokenizer.bos_token is None or text.startswith(tokenizer.bos_token):
        return []
    return [(token, False) for token in tokenizer("")["input_ids"] if token == tokenizer.bos_token_id]


def _all_tokens(tokenizer: PreTrainedTokenizerBase, pieces: list[tuple[str, bool]]) -> list[tuple[int, bool]]:
    """The tokens of all pieces; names of control tokens in a turn's text, see `rendered`, are tokenized as text."""
    if not any(_APART in text for text, _ in pieces):
        return _tokens(tokenizer, pieces) if pieces else []
    controls = re.compile(f"({'|'.join(map(re.escape, _special_tokens(tokenizer)))})")
    made, plain = [], []
    for text, is_answer in pieces:
        for k, part in enumerate(controls.split(text)):
            if k % 2:
                made += _plain_tokens(tokenizer, plain, bool(made))
                made, plain = [*made, (tokenizer.convert_tokens_to_ids(part), is_answer)], []
            elif part:
                plain.append((part.replace(_APART, ""), is_answer))
    return made + _plain_tokens(tokenizer, plain, bool(made))


def _plain_tokens(
    tokenizer: PreTrainedTokenizerBase, pieces: list[tuple[str, bool]], behind: bool
) -> list[tuple[int, bool]]:
    """The tokens of pieces in which no name is that of a control token, as they are `behind` one or in front of all.

    Some tokenizers of Llama's kind put a space in front of the first stretch alone: another then gets a line break in
    front, which is taken off again.
    """
    if not pieces:
        return []
    lead = [("\n", False)] if behind and _spaces_once(tokenizer) else []
    taken_off = len(_tokens(tokenizer, lead, controls=False)) if lead else 0
    return _tokens(tokenizer, lead + pieces, controls=False)[taken_off:]


@lru_cache(maxsize=4)
def _spaces_once(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a text is cut into tokens otherwise behind a control token than alone."""
    mark = tokenizer.eos_token or tokenizer.bos_token
    if mark is None:
        return False
    alone, behind = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("a", f"{mark}a"))
    return behind[1:] != alone


def _tokens(
    tokenizer: PreTrainedTokenizerBase, pieces: list[tuple[str, bool]], controls: bool = True
) -> list[tuple[int, bool]]:
    """The tokens of all pieces as one text, and whether each belongs to an answer.

    Generation never sees a token that would hold the end of a prompt and the start of its answer: there, and only
    there, the text is cut and the rest tokenized anew. Without `controls` names of control tokens are text.
    """
    made = tokenizer(
        "".join(text for text, _ in pieces),
        add_special_tokens=False,
        return_offsets_mapping=True,
        split_special_tokens=not controls,
    )
    ends, spans = np.cumsum([len(text) for text, _ in pieces]), np.array(made["offset_mapping"]).reshape(-1, 2)
    first, last = (
        np.searchsorted(ends, place, side="right").clip(max=len(pieces) - 1) for place in (spans[:, 0], spans[:, 1] - 1)
    )
    is_answer = np.array([answer for _, answer in pieces])
    across = np.flatnonzero(~is_answer[first] & is_answer[last] & (first < last))
    if len(across):
        cut = first[across[0]] + 1
        return _tokens(tokenizer, pieces[:cut], controls) + _tokens(tokenizer, pieces[cut:], controls)
    return list(zip(made["input_ids"], is_answer[first].tolist(), strict=True))
