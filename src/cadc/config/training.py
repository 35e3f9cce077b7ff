"""How models are trained: the sections `proxy`, `finetune` and `align` of params.yaml."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from cadc.config.section import Epochs, Fraction, Passes, Pattern, Positive, Rate, Section, Seed, Seeds, Share


class Optimizer(Section):
    """How a run is trained: AdamW with warm-up and cosine decay.

    whole_learning_rate: for the layers of `model.lora.whole`; None: `learning_rate`. loss_mean: over a batch's answer
    tokens, or the mean of its micro-batches' means (LLaVA, with one micro-batch per GPU at a time). grouped: separate
    batches for rows with images and text-only rows, each of similar length, as in LLaVA.
    """

    learning_rate: Rate
    whole_learning_rate: Rate | None = None
    batch_size: Positive
    micro_batch: Positive | None
    checkpoint_steps: Positive | None
    warmup_share: Share
    weight_decay: Annotated[float, Field(ge=0)]
    beta1: Share
    beta2: Share
    epsilon: Rate
    max_grad_norm: Rate | None
    loss_mean: Literal["tokens", "micro_batches"] = "tokens"
    grouped: bool = False

    @model_validator(mode="after")
    def _means_of_what(self) -> Self:
        if self.loss_mean == "micro_batches" and self.micro_batch is None:
            raise ValueError("loss_mean: micro_batches is a mean over micro-batches; set micro_batch, too")
        return self


class Proxy(Optimizer):
    seeds: Seeds
    pool_fraction: Fraction
    epochs: Epochs
    snapshots: Annotated[int, Field(ge=1, le=1000)] | Annotated[list[Share], Field(min_length=1)]

    @property
    def snapshots_at(self) -> list[float]:
        """The shares of the run after which snapshots are taken. A number means the midpoints of as many equal
        intervals (ours): never the start, where LoRA's B is zero and passes no signal to A, and never the end, where
        the learning rate, and so the weight in every sum over snapshots, is zero."""
        if isinstance(self.snapshots, list):
            return self.snapshots
        return [(k + 0.5) / self.snapshots for k in range(self.snapshots)]

    @field_validator("snapshots")
    @classmethod
    def _rising(cls, snapshots: int | list[float]) -> int | list[float]:
        if isinstance(snapshots, list) and not all(a < b for a, b in pairwise([0, *snapshots, 1])):
            raise ValueError(f"snapshots are {snapshots}; give ascending shares of the run, above 0 and below 1")
        return snapshots


class Finetune(Optimizer):
    """full: a regular expression over names of the base's weights, which are then trained in full instead of LoRA."""

    full: Annotated[Pattern, Field(min_length=1)] | None = None
    epochs: dict[Annotated[str, Field(pattern=r"^b\d{2,3}$")], Passes] = Field(min_length=1)


class Align(Optimizer):
    """How a connector is aligned with a language model (`align`): `steps` on rows with an image; `held_out` further
    rows are only evaluated; both are drawn from `seed`."""

    steps: Positive
    held_out: Positive
    seed: Seed
