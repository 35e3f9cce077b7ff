"""The section `model` of params.yaml: base, its processor and its LoRA."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from cadc.config.section import Positive, Section


class Lora(Section):
    rank: Positive
    alpha: Positive
    targets: str


class Model(Section):
    path: str
    watched: str
    dtype: Literal["float32", "bfloat16"]
    max_length: Positive
    long_rows: Literal["fail", "cut"]
    packing: bool
    attention: Literal["sdpa", "eager", "flash_attention_2"]
    gradient_checkpointing: bool
    trust_remote_code: bool
    processor: dict[str, Any]
    aspect: Literal["processor", "pad", "crop"]
    pictures: Literal["upright", "llava"]
    text: Literal["trimmed", "llava"]
    chat_template: str | None
    lora: Lora

    @property
    def sources(self) -> list[Path | str]:
        """What a digest tells the model by: its folder, or its hub id as a word, and the file of the chat template."""
        return [
            Path(self.path) if Path(self.path).is_dir() else self.path,
            *([Path(self.chat_template)] if self.chat_template else []),
        ]

    @model_validator(mode="after")
    def _usable(self):
        if self.packing and self.attention == "flash_attention_2":
            raise ValueError(
                "flash_attention_2 would let rows that share a sequence see each other; set packing: false"
            )
        if self.chat_template and not Path(self.chat_template).is_file():
            raise ValueError(f"chat_template: no file {self.chat_template!r}")
        return self
