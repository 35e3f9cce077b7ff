"""Targeted selection by the view that each benchmark needs, as mutual ranking predicts it, without any fine-tuning (arXiv 2508.10339)."""

from __future__ import annotations

from cadc.selectors.shared import targeted
from cadc.selectors.shared.retrieval import Lists, by_view
from cadc.selectors.shared.targeted import Aim, Measured, Which, aimed, predicted, select
from cadc.selectors.signal import Signal

__all__ = ["Params", "measure", "select"]


class Params(targeted.Params):
    """lower: the view that is taken where R_s|c is the lower of the two mean ranks."""

    lower: Which


def measure(signal: Signal, params: Params) -> Measured:
    """Every target's lists by the view that is predicted for it."""

    def lists_of(aim: Aim) -> list[Lists]:
        by_concept = predicted(*aim.ranks(), params.lower) == "concept"
        return [
            by_view(aim.pool.concept, aim.concept_queries) if by_concept else by_view(aim.pool.skill, aim.skill_queries)
        ]

    return aimed(signal, params, lists_of)
