"""Turn conversations into chat text and tokens, and mark the answers to train on.

The rendered conversation is tokenized as a whole, as the processor does it. Training covers an answer up to and
including its end-of-turn token. Token for token, a prompt in training equals the prompt at generation.
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

#: A noncharacter, inserted into names of control tokens in a turn's text, so that they stay text.
_APART = "\ufdd0"


#: How turns become text (`model.text`): `trimmed` (ours) or `llava`; see `to_messages`.
TextRule = Literal["trimmed", "llava"]


def to_messages(turns: Sequence[dict[str, str]], rule: TextRule = "trimmed", pictured: bool = True) -> list[dict]:
    """LLaVA turns as chat messages: each `<image>` becomes an image part, or stays text if not `pictured`.

    `trimmed`: in human turns, images stay in place and the texts around them are stripped. Answers keep their
    indentation, but lose leading blank lines and trailing white space.
    `llava`: as haotian-liu/LLaVA's `preprocess_multimodal`. A turn with images starts with them, and its text, without
    the `<image>` tokens, is stripped; every other turn is unchanged.
    """
    return [{"role": turn["role"], "content": _parts(turn, rule, pictured)} for turn in turns]


def _parts(turn: dict[str, str], rule: TextRule, pictured: bool) -> list[dict[str, str]]:
    """The image and text parts of one turn."""
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
    """The rendered conversation in pieces (text, is_answer), up to the end of its last answer or, after a user turn, up
    to the start of the next answer.

    An answer includes the special token with which the template ends a turn; the line break that often follows belongs
    to the next turn. If a template renders no such token (LLaVA-1.5's), the tokenizer's end-of-sequence token is added,
    as in LLaVA's own training; otherwise the model would not learn to stop. Empty answers are not trained on (LLaVA).
    Raises InputError if there is no template, if it rewrites earlier turns, or if there is neither such token.
    """
    pieces, cursor, asks = [], 0, messages[-1]["role"] == "user"
    try:
        full = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=asks)
    except ValueError as error:  # raised by transformers if a processor has no template
        why = first_line(error)
        raise InputError(f"no chat template can be applied ({why}); set model.chat_template to a file") from error
    for k, message in enumerate(messages):
        if message["role"] != "assistant" or message["content"] == [{"type": "text", "text": ""}]:
            continue
        prompt = processor.apply_chat_template(messages[:k], tokenize=False, add_generation_prompt=True)
        upto = processor.apply_chat_template(messages[: k + 1], tokenize=False) if k + 1 < len(messages) else full
        if not (full.startswith(prompt) and full.startswith(upto)):
            raise InputError(
                "the chat template renders earlier turns differently when later ones follow, so answers can't be "
                "masked; use another template"
            )
        answer = upto[len(prompt) :].rstrip()
        pieces += [(full[cursor : len(prompt)], False), (_ended(answer, processor.tokenizer), True)]
        cursor = len(prompt) + len(answer)
    return [*pieces, (full[cursor:], False)] if asks else pieces


def rendered(processor: ProcessorMixin, messages: list[dict]) -> list[tuple[str, bool]]:
    """`segments` of messages, with names of control tokens in their texts kept as text."""
    names = _special_tokens(processor.tokenizer)
    begin = re.compile(f"(?=({'|'.join(map(re.escape, names))}))(.)", re.DOTALL)

    def apart(part: dict) -> dict:
        if part["type"] != "text" or not any(name in part["text"] for name in names):
            return part
        return {**part, "text": begin.sub(lambda found: found[2] + _APART, part["text"])}

    messages = [{**message, "content": list(map(apart, message["content"]))} for message in messages]
    return segments(processor, messages)


def _ended(answer: str, tokenizer: PreTrainedTokenizerBase) -> str:
    """`answer` with an end-of-turn token. A control token at its end comes from the template; see `rendered`."""
    if answer.endswith(_special_tokens(tokenizer)):
        return answer
    if tokenizer.eos_token is None:
        raise InputError(
            "the chat template ends answers without a special token, and the tokenizer has no eos_token; add one"
        )
    return answer + tokenizer.eos_token


@lru_cache(maxsize=4)
def _special_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    return tuple(token.content for token in tokenizer.added_tokens_decoder.values() if token.special)


def end_of_turn(processor: ProcessorMixin) -> int:
    """The token that ends every answer in training, and stops generation."""
    (_, (answer, _)) = segments(
        processor, to_messages([{"role": "user", "text": "a"}, {"role": "assistant", "text": "a"}])
    )
    return processor.tokenizer(answer, add_special_tokens=False)["input_ids"][-1]


def tokens_of(
    tokenizer: PreTrainedTokenizerBase, pieces: list[tuple[str, bool]], apart: str | None = None
) -> list[tuple[int, bool]]:
    """The tokens of `rendered` pieces, and whether each is trained on.

    `apart`: the name of a control token, the image token. If given, the texts between two of them are tokenized
    separately, as in LLaVA's `tokenizer_image_token`; Llama-type tokenizers put a space in front of each.
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
    """The beginning-of-sequence token that the tokenizer adds (Llama's), unless the template renders it."""
    if tokenizer.bos_token is None or text.startswith(tokenizer.bos_token):
        return []
    return [(token, False) for token in tokenizer("")["input_ids"] if token == tokenizer.bos_token_id]


def _all_tokens(tokenizer: PreTrainedTokenizerBase, pieces: list[tuple[str, bool]]) -> list[tuple[int, bool]]:
    """The tokens of all pieces. Names of control tokens in a turn's text are tokenized as text; see `rendered`."""
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
    """The tokens of pieces without control tokens, either `behind` a control token or at the start.

    Some Llama-type tokenizers put a space only in front of the first stretch. For other stretches, a line break is
    put in front and its tokens are removed again.
    """
    if not pieces:
        return []
    lead = [("\n", False)] if behind and _spaces_once(tokenizer) else []
    taken_off = len(_tokens(tokenizer, lead, controls=False)) if lead else 0
    return _tokens(tokenizer, lead + pieces, controls=False)[taken_off:]


@lru_cache(maxsize=4)
def _spaces_once(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a text is tokenized differently after a control token than alone."""
    mark = tokenizer.eos_token or tokenizer.bos_token
    if mark is None:
        return False
    alone, behind = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("a", f"{mark}a"))
    return behind[1:] != alone


def _tokens(
    tokenizer: PreTrainedTokenizerBase, pieces: list[tuple[str, bool]], controls: bool = True
) -> list[tuple[int, bool]]:
    """The tokens of all pieces as one text, and whether each belongs to an answer.

    Generation never sees a token that spans the end of a prompt and the start of its answer, so the text is split
    there, and only there, and the rest is tokenized separately. Without `controls`, names of control tokens are text.
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
