"""Targeted selection by halves: half of the budget by concept, half by skill (an ablation of arXiv 2508.10339)."""

from cadc.selectors.shared.retrieval import by_view
from cadc.selectors.shared.targeted import Measured, Params, aimed, select
from cadc.selectors.signal import Signal

__all__ = ["Params", "measure", "select"]


def measure(signal: Signal, params: Params) -> Measured:
    """Every target's lists by concept and by skill."""
    return aimed(
        signal,
        params,
        lambda aim: [by_view(aim.pool.concept, aim.concept_queries), by_view(aim.pool.skill, aim.skill_queries)],
    )
