"""Targeted selection by either view: the larger of the cosines of concept and skill (an ablation of arXiv 2508.10339)."""

from cadc.selectors.shared.retrieval import by_max
from cadc.selectors.shared.targeted import Measured, Params, aimed, select
from cadc.selectors.signal import Signal

__all__ = ["Params", "measure", "select"]


def measure(signal: Signal, params: Params) -> Measured:
    """Every target's lists by the larger."""
    return aimed(
        signal, params, lambda aim: [by_max(aim.pool.concept, aim.pool.skill, aim.concept_queries, aim.skill_queries)]
    )
