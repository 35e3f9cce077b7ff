"""What sections of params.yaml are made of: their base, which refuses unknown keys, and the ranges that several
share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Passes = Annotated[float, Field(ge=1)]  # over chosen rows: each is trained on once at least
Seed = Annotated[int, Field(ge=0)]
OneOrMany = BeforeValidator(lambda value: value if isinstance(value, list) else [value])


class Section(BaseModel):
    """A section of params.yaml; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
