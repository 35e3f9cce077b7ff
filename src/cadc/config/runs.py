"""The runs of one method: a budget and a seed each."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from cadc.config.params import Params, budget_key


@dataclass(frozen=True)
class Run:
    """One selection, one fine-tuning, one evaluation."""

    budget: float
    seed: int

    @property
    def key(self) -> str:
        return budget_key(self.budget)

    @property
    def name(self) -> str:
        return f"{self.key}_s{self.seed}"


def runs_of(method: str, params: Params) -> list[Run]:
    """Every budget of params with every seed; a method with a BUDGET of its own runs at that one."""
    own = getattr(importlib.import_module(f"cadc.selectors.{method}"), "BUDGET", None)
    budgets = params.curate.budget if own is None else [own]
    return [Run(budget, seed) for budget in budgets for seed in params.seeds]
