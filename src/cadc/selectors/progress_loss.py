"""PROGRESS by loss: rows from the clusters whose loss falls fastest while the model learns (Chandhok et al. 2025, arXiv 2506.01085)."""

from __future__ import annotations

from typing import Literal

from cadc.selectors.shared.progress import Progress, measure, plan, select

__all__ = ["Params", "measure", "plan", "select"]


class Params(Progress):
    """PROGRESS's, with its objective settled."""

    objective: Literal["loss"] = "loss"
