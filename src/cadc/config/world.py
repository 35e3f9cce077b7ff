"""The sections of params.yaml for generated worlds, their bases and tower, and the gate."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from cadc.config.section import Fraction, Made, Once, Passes, Positive, Rate, Section, Seed, Seeds, Share

Form = Literal["open", "yesno", "choice", "chat"]
Group = Literal["structure", "perception", "symbols"]
Source = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]  # also the name of an image folder
Wording = Annotated[int, Field(ge=0, le=2)]
SeveralPasses = Annotated[list[Passes], Field(min_length=1), Once]


class Faults(Section):
    """The share of each fault among the rows that can have it; `world/faults.py` defines the faults."""

    wrong: Share
    mismatch: Share
    hallucination: Share
    repetition: Share
    refusal: Share
    echo: Share
    truncation: Share
    meta: Share
    format: Share


#: Faults that reports summarise together.
OTHER_FAULTS = tuple(name for name in Faults.model_fields if name not in ("wrong", "mismatch"))


class Sources(Section):
    """The name of the data set for each kind of row."""

    open: dict[Group, Source]
    yesno: dict[Group, Source]
    choice: dict[Group, Source]
    chat: Source
    caption: Source
    text: Source

    @field_validator("open", "yesno", "choice")
    @classmethod
    def _every_group(cls, sources: dict[str, str]) -> dict[str, str]:
        if missing := set(get_args(Group)) - set(sources):
            raise ValueError(f"no source for {', '.join(sorted(missing))}; name one for each group")
        return sources


class World(Section):
    seed: Seed
    questions_seed: Seed
    rows: Annotated[int, Field(ge=100, le=1_000_000)]
    wordings: Annotated[list[Wording], Once] = Field(min_length=1)
    long_tail_exponent: Annotated[float, Field(ge=0)]
    form_shares: dict[Form, Share]
    sources: Sources
    multi_turn_share: Share
    text_only_share: Share
    caption_share: Share
    faults: Faults
    exact_duplicate_share: Share
    near_duplicate_share: Share

    @field_validator("form_shares")
    @classmethod
    def _sums_to_one(cls, shares: dict[str, float]) -> dict[str, float]:
        if set(shares) != set(get_args(Form)) or abs(sum(shares.values()) - 1) > 1e-9:
            raise ValueError(f"give {', '.join(get_args(Form))}, summing to 1")
        return shares


class Benchmarks(Section):
    probe_per_subtask: Made
    probe_pope_images: Made
    score_per_subtask: Made
    probe_llava_wild_images: Made
    pope_images: Made
    llava_wild_images: Made


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
    read_steps: Positive
    read_images: Positive
    read_sequences: Positive
    texts_per_sequence: Positive
    read_lr: Rate
    settle_steps: Positive
    settle_lr: Rate
    settle_pictured: Positive
    settle_untold: Share
    probes_per_image: Positive
    pick_from: Share
    alone_early: Share
    alone_late: Share
    pick_share: Share

    @model_validator(mode="after")
    def _a_picture_for_each(self) -> Pretrain:
        if self.settle_pictured > min(self.read_images, self.read_sequences):
            raise ValueError(
                f"pretrain.settle_pictured is {self.settle_pictured}: at most each of the {self.read_sequences} "
                f"sequences (read_sequences) can have one of the {self.read_images} images (read_images)"
            )
        return self


class Tower(Section):
    seed: Seed
    steps: Positive
    batch: Annotated[int, Field(ge=2)]
    learning_rate: Rate


class Gate(Section):
    seeds: Annotated[list[Seed], Once] = Field(min_length=2)
    random: Annotated[list[Fraction], Once] = Field(min_length=1)
    oracle: Fraction
    tasks: Annotated[list[str], Once] = Field(min_length=1)

    @model_validator(mode="after")
    def _oracle_is_compared(self) -> Gate:
        if self.oracle not in self.random:
            raise ValueError(
                f"gate.oracle is {self.oracle:g}, but gate.random has no draw of that size to compare it "
                f"with: {self.random}; add one"
            )
        if 0.2 not in self.random:
            raise ValueError(f"gate.random: a condition is on random rows at 0.2, but it has {self.random}; add 0.2")
        return self


class Plateau(Section):
    seeds: Seeds
    epochs: dict[Annotated[str, Field(pattern=r"^b\d{2,3}$")], SeveralPasses] = Field(min_length=1)
