"""The section of params.yaml for metabolism; units and sources are in conf/, next to the values."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cadc.config.section import Draws, Fraction, Once, Positive, Rate, Section, Seed, Share, Trainings, Url


class Rules(Section):
    healthy: Share
    weak: Share
    flagged: Share
    conflict: Share
    sparse: Share
    dense: Annotated[float, Field(ge=1)]
    format: Share
    grow: Rate

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.weak > self.healthy:
            raise ValueError(f"weak={self.weak:g} is above healthy={self.healthy:g}; a subtask can't be both")
        return self


class Metabolize(Section):
    rounds: Trainings
    budget: Fraction
    seeds: Annotated[list[Seed], Once] = Field(min_length=2)
    tasks: Annotated[list[Literal["pope_adv", "pope_pop", "pope_random", "mmt_val", "mini_vqa"]], Once] = Field(
        min_length=1
    )
    reserve: str | None
    reserve_rows: Annotated[int, Field(ge=0, le=1_000_000)]
    reserve_seed: Seed
    neighbors: Positive
    near: Share
    trust: Share
    agree: Annotated[int, Field(ge=2)]
    doubt: Rate
    level: Annotated[float, Field(ge=0.5, lt=1)]
    bootstrap: Draws
    url: Url | None
    model: str
    reasoning: Fraction | None
    rules: Rules

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.agree > len(self.seeds):
            raise ValueError(f"agree={self.agree}, but only {len(self.seeds)} models are trained, one per seed")
        if self.url is not None and not self.model:
            raise ValueError("url is set but model is not; set model, too")
        if self.reasoning is not None and self.url is None:
            raise ValueError(f"reasoning={self.reasoning:g} needs an endpoint; set url and model, too")
        return self
