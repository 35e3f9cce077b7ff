"""The sections of params.yaml that make the mini world, its bases and its tower, and ask whether selection matters in
it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from cadc.config.section import Fraction, Positive, Rate, Section, Seed, Share


class World(Section):
    seed: Seed
    rows: Annotated[int, Field(ge=100)]
    paraphrases: Annotated[int, Field(ge=1, le=3)]
    long_tail_exponent: Annotated[float, Field(ge=0)]
    form_shares: dict[Literal["open", "yesno", "choice", "chat"], Share]
    multi_turn_share: Share
    text_only_share: Share
    caption_share: Share
    wrong_answer_share: Share
    mismatched_image_share: Share
    exact_duplicate_share: Share
    near_duplicate_share: Share

    @field_validator("form_shares")
    @classmethod
    def _sums_to_one(cls, shares):
        if set(shares) != {"open", "yesno", "choice", "chat"} or abs(sum(shares.values()) - 1) > 1e-9:
            raise ValueError("give open, yesno, choice and chat, summing to 1")
        return shares


class Benchmarks(Section):
    seed: Seed
    probe_per_subtask: Positive
    probe_pope_images: Positive
    score_per_subtask: Positive
    probe_llava_wild_images: Positive
    pope_images: Positive
    llava_wild_images: Positive


class Base(Section):
    vision_width: Positive
    width: Positive
    layers: Positive


class Pretrain(Section):
    seed: Seed
    align_steps: Positive
    align_batch: Positive
    align_lr: Rate
    look_steps: Positive
    look_batch: Positive
    look_lr: Rate
    heed_steps: Positive
    heed_lr: Rate
    probes_per_image: Positive
    pick_from: Share
    alone_early: Share
    alone_late: Share
    pick_share: Share


class Tower(Section):
    seed: Seed
    steps: Positive
    batch: Annotated[int, Field(ge=2)]
    learning_rate: Rate


class Gate(Section):
    seeds: list[Seed] = Field(min_length=2)
    random: list[Fraction]
    oracle: Fraction
    tasks: list[str] = Field(min_length=1)

    @model_validator(mode="after")
    def _oracle_is_compared(self) -> Gate:
        if self.oracle not in self.random:
            raise ValueError(
                f"gate.oracle is {self.oracle:g}: gate.random needs a draw of that size to compare it "
                f"with, and has {self.random}"
            )
        return self


class Plateau(Section):
    seed: Seed
    epochs: dict[Annotated[str, Field(pattern=r"^b\d{2,3}$")], list[Rate]]
