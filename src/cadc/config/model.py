"""The section `model` of params.yaml: the base model, its processor and its LoRA."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from cadc.config.section import Pattern, Positive, Section


class Lora(Section):
    """The trained parts of the base model: LoRA in the linear layers matched by `targets`, with `dropout` of its inputs
    during training; and all weights and biases of the linear layers matched by `whole` (LLaVA's connector).

    Both are regular expressions that match a module's full name; no layer may match both.
    """

    rank: Positive
    alpha: Positive
    targets: Pattern
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    whole: Pattern | None = None


class Model(Section):
    path: str
    watched: str
    dtype: Literal["float32", "bfloat16"]
    max_length: Positive
    long_rows: Literal["fail", "cut"]
    packing: bool
    attention: Literal["sdpa", "eager", "flash_attention_2"]
    gradient_checkpointing: bool
    tf32: bool = False
    trust_remote_code: bool
    processor: dict[str, Any]
    aspect: Literal["processor", "pad", "crop"]
    pictures: Literal["upright", "llava"]
    text: Literal["trimmed", "llava"]
    chat_template: str | None
    lora: Lora

    @property
    def sources(self) -> list[Path | str]:
        """What identifies the model in a digest: its folder or hub id, and the file of the chat template."""
        return [
            Path(self.path) if Path(self.path).is_dir() else self.path,
            *([Path(self.chat_template)] if self.chat_template else []),
        ]

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.packing and self.attention == "flash_attention_2":
            raise ValueError(
                "flash_attention_2 would let rows in one sequence attend to each other; set packing: false"
            )
        if self.chat_template and not Path(self.chat_template).is_file():
            raise ValueError(f"chat_template: no file {self.chat_template!r}; give an existing file, or null")
        return self
