"""From a pool row to tensors: chat template, answer mask, image tokens, batches.

The rendered conversation is tokenized whole, as the processor itself does it, and images one by one. The model learns
an answer up to and including its end of turn. What it is trained to continue is, token for token, what it gets at
generation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import PreTrainedTokenizerBase, ProcessorMixin

from cadc.config.errors import InputError
from cadc.data.pictures import open_image
from cadc.data.wording import IMAGE_TOKEN
from cadc.model.processors import tensors_of

IGNORE = -100
#: Written into the name of a control token where a turn's text holds one, so that it stays text: a noncharacter.
_APART = "\ufdd0"
#: Tensors whose first axis counts images or patches of the whole batch; others are per row.
PER_IMAGE = ("pixel_values", "image_sizes", "image_grid_thw", "pixel_attention_mask")

#: What some processors give beside each token's id (Qwen2-VL: text 0, image 1): it makes positions of three axes.
TOKEN_TYPES = "mm_token_type_ids"

KEPT_BYTES = 1 << 31  # of encoded rows that a process keeps: a row of LLaVA-1.5 is 1.4 MB of pixels


def to_messages(turns: Sequence[dict[str, str]]) -> list[dict]:
    """LLaVA turns as chat messages: each `<image>` of a human turn becomes an image part, in place.

    An answer keeps its indentation, and loses blank lines in front and white space behind.
    """
    messages = []
    for turn in turns:
        parts: list[dict[str, str]] = []
        if turn["role"] == "assistant":
            answer = re.sub(r"\A(?:[^\S\n]*\n)+", "", turn["text"]).rstrip()
            messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
            continue
        for i, piece in enumerate(turn["text"].split(IMAGE_TOKEN)):
            if i:
                parts.append({"type": "image"})
            if piece.strip():
                parts.append({"type": "text", "text": piece.strip()})
        messages.append({"role": turn["role"], "content": parts})
    return messages


def segments(processor: ProcessorMixin, messages: list[dict]) -> list[tuple[str, bool]]:
    """The rendered conversation in pieces (text, is_answer), up to the end of its last answer or, after a user turn, to
    where an answer begins.

    An answer ends with the special token by which the template ends a turn; the line break that often follows belongs
    to the next turn. Where a template renders no such token (LLaVA-1.5's), the tokenizer's end of sequence is added, as
    in LLaVA's own training: else no answer would be learnt to stop. Raises InputError if there is no template, if it
    rewrites earlier turns, or if there is neither such token.
    """
    pieces, cursor, asks = [], 0, messages[-1]["role"] == "user"
    try:
        full = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=asks)
    except ValueError as error:  # transformers', where a processor has none
        raise InputError(f"no chat template can be applied ({error}); set model.chat_template to a file") from error
    for k, message in enumerate(messages):
        if message["role"] != "assistant":
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


def _rendered(processor: ProcessorMixin, messages: list[dict]) -> list[tuple[str, bool]]:
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
    """`answer` with an end of turn: a control token at its end is the template's, see `_rendered`."""
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


def encode(
    row: dict, processor: ProcessorMixin, max_length: int, cut: bool = False, opened: Callable = open_image
) -> dict[str, Any]:
    """One pool row as tensors.

    Returns input_ids and labels int64 [length] (labels are -100 outside answers), `row` if the row has one, and the
    processor's image tensors. With `cut`, as in LLaVA's training, tokens beyond `max_length` are left out, and `was` is
    the length before. `opened` makes the processor's picture of an image's cell. Raises InputError, naming the row, if
    it is longer without `cut`, if an image or all that is to be learnt would be cut, or if template or processor refuse
    it.
    """
    try:
        encoded, images_end = _tokenize(
            _rendered(processor, to_messages(row["turns"])), [opened(image) for image in row["images"]], processor
        )
    except ValueError as error:
        raise InputError(f"row {row.get('id')}: {error}") from error
    length = len(encoded["input_ids"])
    if length > max_length:
        above = f"row {row.get('id')}: {length} tokens, above model.max_length={max_length}"
        if not cut:
            raise InputError(f"{above}; raise it, shorten the row, or set model.long_rows: cut")
        if images_end > max_length:
            raise InputError(
                f"{above}, and its images reach to token {images_end}, which can't be cut; raise it or remove the row"
            )
        answer = int((encoded["labels"] != IGNORE).nonzero()[0])
        if answer >= max_length:
            raise InputError(
                f"{above}, and its first answer begins behind token {answer}, so that nothing is left to learn; raise it, "
                "shorten the question, or remove the row"
            )
        for name in ("input_ids", "labels", TOKEN_TYPES):
            if name in encoded:
                encoded[name] = encoded[name][:max_length]
        encoded["was"] = length
    return {**encoded, "row": row.get("row", -1)}


def encode_prompt(messages: list[dict], images: list[Image.Image], processor: ProcessorMixin) -> dict[str, Any]:
    """Chat messages that end with a user turn, as tensors to generate from; labels are all -100."""
    encoded, _ = _tokenize(_rendered(processor, messages), images, processor)
    return {**encoded, "labels": torch.full_like(encoded["labels"], IGNORE), "row": -1}


def _tokenize(
    pieces: list[tuple[str, bool]], images: list[Image.Image], processor: ProcessorMixin
) -> tuple[dict[str, Any], int]:
    """input_ids, labels and image tensors of rendered pieces, and where the last image ends.

    Images are used up in order: each image's mark becomes the processor's tokens for it.
    """
    tokenizer, mark = processor.tokenizer, getattr(processor, "image_token", IMAGE_TOKEN)
    mark_id = tokenizer.convert_tokens_to_ids(mark)
    tokens = _begin(tokenizer, pieces[0][0]) + _all_tokens(tokenizer, pieces)
    n_marks = sum(token == mark_id for token, _ in tokens)
    if n_marks != len(images):
        raise InputError(
            f"{mark!r} stands {n_marks} times in the rendered text of {len(images)} image(s); "
            "mend the chat template, or take it out of the text"
        )
    shown = iter([tensors_of(processor, image) for image in images])
    ids, labels, types, extra, images_end = [], [], [], {}, 0
    for token, learnt in tokens:
        if token != mark_id:
            ids.append(token)
            labels.append(token if learnt else IGNORE)
            types.append(0)
            continue
        made = next(shown)
        ids += made["input_ids"][0].tolist()
        types += made[TOKEN_TYPES][0].tolist() if TOKEN_TYPES in made else [0] * made["input_ids"].shape[1]
        labels += [IGNORE] * made["input_ids"].shape[1]
        images_end = len(ids)
        for name in PER_IMAGE:
            if name in made:
                extra[name] = (
                    torch.cat([extra[name], made[name]], int(tiled(name, made[name]))) if name in extra else made[name]
                )
    if _has_token_types(processor):
        extra[TOKEN_TYPES] = torch.tensor(types)
    return {"input_ids": torch.tensor(ids), "labels": torch.tensor(labels), **extra}, images_end


@lru_cache(maxsize=4)
def _has_token_types(processor: ProcessorMixin) -> bool:
    return TOKEN_TYPES in processor.model_input_names  # of rows of text alone, too: by it `pack` knows the model


def _begin(tokenizer: PreTrainedTokenizerBase, text: str) -> list[tuple[int, bool]]:
    """What the tokenizer puts in front of a text: its beginning of sequence (Llama's), where the template has not."""
    if tokenizer.bos_token is None or text.startswith(tokenizer.bos_token):
        return []
    return [(token, False) for token in tokenizer("")["input_ids"] if token == tokenizer.bos_token_id]


def _all_tokens(tokenizer: PreTrainedTokenizerBase, pieces: list[tuple[str, bool]]) -> list[tuple[int, bool]]:
    """The tokens of all pieces; names of control tokens in a turn's text, see `_rendered`, are tokenized as text."""
    if not any(_APART in text for text, _ in pieces):
        return _tokens(tokenizer, pieces)
    controls = re.compile(f"({'|'.join(map(re.escape, _special_tokens(tokenizer)))})")
    made, plain = [], []
    for text, is_answer in pieces:
        for k, part in enumerate(controls.split(text)):
            if k % 2:
                made += _tokens(tokenizer, plain, controls=False) if plain else []
                made, plain = [*made, (tokenizer.convert_tokens_to_ids(part), is_answer)], []
            elif part:
                plain.append((part.replace(_APART, ""), is_answer))
    return made + (_tokens(tokenizer, plain, controls=False) if plain else [])


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


def tiled(name: str, tensor: torch.Tensor) -> bool:
    """Whether an image tensor has the axes [row, tile, ...] (Idefics3) and not [image or patch, ...]."""
    return tensor.ndim == 5 or name == "pixel_attention_mask"


class EncodedRows(torch.utils.data.Dataset):
    """Pool rows encoded on first use. With `keep` they are kept while they fit into `KEPT_BYTES`: a small pool is
    decoded once.

    `cut` int {row: tokens}: length of the rows that were above `max_length` and lost their end, where `model.long_rows`
    is `cut`.
    """

    def __init__(self, table, processor: ProcessorMixin, max_length: int, keep: bool = True, long_rows: str = "fail"):
        self.table, self.processor, self.max_length, self.keep, self.long_rows = (
            table,
            processor,
            max_length,
            keep,
            long_rows,
        )
        self.cut: dict[int, int] = {}
        self._kept: dict[int, dict[str, Any]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return self.table.num_rows

    def ids(self, which: np.ndarray) -> list[str]:
        """The ids of rows `which` int [n], as messages name them."""
        return [f"id {name}" for name in self.table["id"].take(which).to_pylist()]

    def __getitem__(self, row: int) -> dict[str, Any]:
        if row in self._kept:
            return self._kept[row]
        record = self.table.slice(row, 1).to_pylist()[0]
        encoded = encode({**record, "row": row}, self.processor, self.max_length, self.long_rows == "cut")
        if "was" in encoded:
            self.cut[row] = encoded.pop("was")
        if self.keep and self._bytes < KEPT_BYTES:
            self._kept[row] = encoded
            self._bytes += sum(value.nbytes for value in encoded.values() if isinstance(value, torch.Tensor))
        return encoded

    def summary(self) -> str:
        """How many rows were cut so far, in words; empty where none was."""
        return (
            f"{len(self.cut)} rows above model.max_length={self.max_length} tokens were cut "
            f"(longest: {max(self.cut.values())})"
            if self.cut
            else ""
        )
