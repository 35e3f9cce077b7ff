"""The base of all sections of params.yaml, which rejects unknown keys, and value ranges shared by several."""

from __future__ import annotations

import re
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

T = TypeVar("T")

Share = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
#: Counts whose cost grows with them, up to what anybody has a use for (ours): beyond it a digit slipped.
Draws = Annotated[int, Field(ge=2, le=10_000)]  # of a bootstrap, whose variance takes two
Trainings = Annotated[int, Field(ge=1, le=100)]
Made = Annotated[int, Field(ge=1, le=100_000)]  # pictures or questions
Rate = Annotated[float, Field(gt=0)]
Epochs = Annotated[float, Field(gt=0, le=1000)]
Passes = Annotated[float, Field(ge=1, le=1000)]  # epochs over selected rows: each is trained on at least once
Seed = Annotated[int, Field(ge=0, lt=2**31)]  # the least that all libraries take
OneOrMany = BeforeValidator(lambda value: value if isinstance(value, list) else [value])


def _once(values: list[T]) -> list[T]:
    if twice := [value for k, value in enumerate(values) if value in values[:k]]:
        raise ValueError(f"names {twice[0]} twice, so it would count twice; keep one of the two")
    return values


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is not a regular expression ({error})") from None
    return text


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if "@" in parts.netloc:
        raise ValueError("it holds a user name or password, which git would store; export OPENAI_API_KEY instead")
    if parts.scheme in ("http", "https") and parts.hostname:
        return text
    raise ValueError(f"{text!r} is not an endpoint's URL; give one like https://HOST/v1")


Once = AfterValidator(_once)  # for lists without repetitions
Seeds = Annotated[list[Seed], Field(min_length=1), Once]
Pattern = Annotated[str, AfterValidator(_pattern)]  # a regular expression
Url = Annotated[str, AfterValidator(_url)]  # of an OpenAI-compatible endpoint


class Section(BaseModel):
    """A section of params.yaml; unknown keys and non-finite numbers are rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
