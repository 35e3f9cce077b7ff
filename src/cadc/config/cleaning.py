"""The sections of params.yaml for cleaning; units and sources are in conf/, next to the values."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cadc.config.section import Epochs, Fraction, Positive, Rate, Section, Seed, Share, Trainings, Url


class Check(Section):
    action: Literal["report", "drop"]


class AnswerCheck(Check):
    """A check for faults that another answer would repair."""

    action: Literal["report", "drop", "rewrite"]  # type: ignore[assignment]  # wider than a Check's, which is frozen


class Repetition(AnswerCheck):
    ngram: Positive
    repeated: Share
    ratio: Rate


class Abnormal(AnswerCheck):
    echo_words: Positive
    prose_words: Positive
    letters: Positive
    margin: Positive


class AnswerFormat(AnswerCheck):
    phrase_words: Positive


class Duplicates(Check):
    bits: Annotated[int, Field(ge=0, le=256)]
    difference: Rate
    shingle: Positive
    permutations: Positive
    bands: Positive
    jaccard: Share
    short: Annotated[int, Field(ge=0)]
    seed: Seed

    @model_validator(mode="after")
    def _bands(self) -> Self:
        if self.bands > self.permutations:
            raise ValueError(f"{self.bands} bands can't be cut from {self.permutations} permutations; lower bands")
        return self


class Objects(AnswerCheck):
    lists: str
    least: Positive
    share: Fraction


class Mismatch(AnswerCheck):
    precision: Annotated[float, Field(gt=0, lt=1)]


class Hallucination(AnswerCheck):
    visual: Rate
    words: Positive
    z: Rate


class WrongAnswer(AnswerCheck):
    rule: Literal["surprise", "confident_joint"]
    z: Rate
    consensus: Annotated[int, Field(ge=2)]


class Clean(Section):
    pool: Literal["raw", "cleaned"]
    evidence: Literal["raw", "crossfit"]
    url: Url | None
    model: str
    repetition: Repetition
    abnormal: Abnormal
    answer_format: AnswerFormat
    duplicates: Duplicates
    objects: Objects
    mismatch: Mismatch
    hallucination: Hallucination
    wrong_answer: WrongAnswer

    def acting(self, action: str) -> list[str]:
        """The checks with this action."""
        return [name for name in CHECKS if getattr(self, name).action == action]

    @model_validator(mode="after")
    def _carried_out(self) -> Self:
        acting = self.acting("drop") + self.acting("rewrite")
        if acting and self.pool == "raw":
            name = acting[0]
            raise ValueError(
                f"{name}.action is {getattr(self, name).action}, but clean.pool is raw, the unchanged "
                "pool; set clean.pool: cleaned"
            )
        blind = [name for name in acting if name in BY_MODEL]
        if blind and self.evidence == "raw":
            raise ValueError(f"{blind[0]} needs a model's evidence; set clean.evidence: crossfit")
        if self.acting("rewrite") and self.evidence == "raw" and self.url is None:
            raise ValueError(
                f"{self.acting('rewrite')[0]}.action is rewrite; set clean.evidence: crossfit, so that its "
                "adapters answer, or clean.url"
            )
        if self.url is not None and not self.model:
            raise ValueError("url is set but model is not; set model, too")
        return self


CHECKS = tuple(
    name
    for name, field in Clean.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Check)
)
#: Checks that need `crossfit`'s evidence.
BY_MODEL = ("mismatch", "hallucination", "wrong_answer")


class Matching(Section):
    members: Trainings
    epochs: Epochs
    learning_rate: Rate
    batch_size: Annotated[int, Field(ge=2)]


class Crossfit(Section):
    folds: Annotated[int, Field(ge=2, le=100)]  # each is a training
    epochs: Epochs
    matching: Matching
    draws: Trainings
    seed: Seed
