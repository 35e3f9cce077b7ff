"""The sections of params.yaml for scoring arms and exporting their rows."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cadc.config.section import Draws, Once, Positive, Section, Share, Url

#: Name of the small deterministic judge (`evaluation.judge.word_f1`).
OWN_JUDGE = "word-f1"


class Judge(Section):
    """The endpoint that judges answers; without `url`, our own judge, `OWN_JUDGE`."""

    url: Url | None
    model: str

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.url is not None and self.model in ("", OWN_JUDGE):
            raise ValueError(f"url is set but model is {self.model!r}; set model to one that the endpoint serves")
        return self


class Evaluate(Section):
    split: Literal["score", "probe"]
    tasks: Annotated[list[str], Once] = Field(min_length=1)
    batch_size: Positive
    max_new_tokens: Positive
    shard_questions: Positive
    merge_adapter: bool
    bootstrap: Draws
    judge: Judge


#: Kinds of image paths in exports: `export.images`.
Images = Literal["relative", "absolute", "copied"]


class Export(Section):
    formats: Annotated[list[Literal["llava", "ids", "llama_factory", "ms_swift", "trl", "axolotl"]], Once] = Field(
        min_length=1
    )
    images: Images
    flags: Literal["raw", "cleaning"]
    below: Share
    least_below: Positive
    exact_rows: Positive
