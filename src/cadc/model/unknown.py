"""Measure how much of a pool's text is unknown to the tokenizer: unknown words all share a token and teach nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from transformers import PreTrainedTokenizerBase

from cadc.config.errors import InputError
from cadc.config.model import Model
from cadc.data.wording import IMAGE_TOKEN
from cadc.model.load import load_processor

SAMPLE_ROWS = 5000  # evenly spaced sample of a larger pool; gives a share to 0.1 points


@dataclass(frozen=True)
class Unknown:
    """Number of tokens examined, how many are unknown, and the first unknown word."""

    tokens: int = 0
    unknown: int = 0
    word: str = ""

    @property
    def share(self) -> float:
        """Share of unknown tokens; 0 without tokens."""
        return self.unknown / self.tokens if self.tokens else 0.0


def unknown_of(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> Unknown:
    """Count the unknown tokens of `texts`, without `<image>`. Byte-level tokenizers, and those that fall back to bytes,
    have none."""
    tokens, unknown, word = 0, 0, ""
    for text in texts:
        text = text.replace(IMAGE_TOKEN, " ")
        made = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids, spans = made["input_ids"], made["offset_mapping"]
        places = [k for k, token in enumerate(ids) if token == tokenizer.unk_token_id]
        tokens, unknown = tokens + len(ids), unknown + len(places)
        if places and not word:
            word = text[slice(*spans[places[0]])].strip()
    return Unknown(tokens, unknown, word)


def refuse_unknown(model: Model, pool: pa.Table, allowed: float, source: Path) -> Unknown:
    """The unknown tokens in a pool table's turns, from at most `SAMPLE_ROWS` rows, for the tokenizer of `model`.

    Raises InputError naming the pool `source` and a word if their share is above `allowed` (ours).
    """
    step = max(1, -(-pool.num_rows // SAMPLE_ROWS))
    turns = pool["turns"].take(np.arange(0, pool.num_rows, step)).to_pylist()
    found = unknown_of(load_processor(model).tokenizer, (turn["text"] for row in turns for turn in row))
    if found.share > allowed:
        raise InputError(f"{source}: {said(found, model.path)}; {advice(allowed)}")
    return found


def said(found: Unknown, path: str) -> str:
    """A sentence with the share."""
    example = f" (such as {found.word!r})" if found.word else ""
    return f"{found.share:.1%} of the text's tokens are unknown to the tokenizer of {path}{example}"


def advice(allowed: float) -> str:
    """What to do if the share is above `allowed`."""
    return (
        f"above pool.unknown_tokens={allowed}: use a model that knows such text (profile=smolvlm-256m, or one of "
        "your own: docs/new_model.md), or raise pool.unknown_tokens to train with these words unknown"
    )
