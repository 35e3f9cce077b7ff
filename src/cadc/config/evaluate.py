"""The section `evaluate` of params.yaml: how models are scored, and who judges open answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cadc.config.section import Draws, Once, Positive, Section, Url

#: What the small deterministic judge is called (`evaluation.judge.word_f1`).
OWN_JUDGE = "word-f1"


class Judge(Section):
    """The endpoint that judges answers; without `url` our own, which `OWN_JUDGE` names."""

    url: Url | None
    model: str

    @model_validator(mode="after")
    def _named(self):
        if self.url is not None and self.model in ("", OWN_JUDGE):
            raise ValueError(f"url names an endpoint, and model is {self.model!r}; set model to one that it serves")
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
