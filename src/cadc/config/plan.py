"""The plan of a run that selects rows during training (PROGRESS): only settings, no code of the schedule."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from cadc.config.section import Fraction, Positive, Rate, Section, Share, Url


class Plan(Section):
    """How a schedule continues after its warm-up.

    variant: `paper`, or `released`, by the rules of `released_progress`. objective: what is measured. order: `change`
    is PROGRESS; `easiest`, `medium` and `hardest` are controls, which give equal shares to that third of the measured
    clusters (ours), or whole clusters as released. gap: rows unlocked in a round, as a share of the budget.
    temperature: of the softmax over changes. exploration: share of a round that is drawn uniformly from all rows left.
    rows_per_cluster: most rows that measure one cluster. measure_share: most of training's operations that all
    measurements may take; a forward pass counts as a third of a training step. epsilon: in the denominator of the
    relative change.

    passes: with `first`, rows are selected during the first pass, and later passes repeat their order; with `round`, a
    round's rows take all their passes before the next round. shuffled: a control, which selects rows as usual and then
    trains a fresh adapter on all of them in random order. judge_url, judge_model: the OpenAI-compatible endpoint that
    judges answers right or wrong, for accuracy; without one an answer is right if greedy decoding gives it exactly.
    """

    variant: Literal["paper", "released"]
    objective: Literal["loss", "accuracy"]
    order: Literal["change", "easiest", "medium", "hardest"]
    gap: Fraction
    temperature: Rate
    exploration: Share
    rows_per_cluster: Positive
    measure_share: Rate
    epsilon: Rate
    passes: Literal["first", "round"]
    shuffled: bool
    judge_url: Url | None = None
    judge_model: str = ""

    @model_validator(mode="after")
    def _judge(self) -> Self:
        if self.judge_url and (self.objective != "accuracy" or not self.judge_model):
            raise ValueError("judge_url needs a judge_model and objective: accuracy, because the judge grades answers")
        return self
