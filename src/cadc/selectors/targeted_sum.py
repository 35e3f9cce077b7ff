"""Targeted selection by both views: the sum of the cosines of concept and skill (an ablation of arXiv 2508.10339)."""

from cadc.selectors.shared.retrieval import by_sum
from cadc.selectors.shared.targeted import Measured, Params, aimed, select
from cadc.selectors.signal import Signal

__all__ = ["Params", "measure", "select"]


def measure(signal: Signal, params: Params) -> Measured:
    """Every target's lists by the sum."""
    return aimed(signal, params, lambda aim: [by_sum(aim.pool.both, aim.concept_queries, aim.skill_queries)])
