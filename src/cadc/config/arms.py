"""Arms and other named variants: each is a stage instance in `dvc.yaml`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from cadc.config.section import Fraction, Section, Seeds, Share

Name = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]  # DVC takes no dot, @ or / in a key
Sequence = Literal["none", "trend", "reversed", "mean", "shuffled"]

#: Every level of variants from the top of the DAG down, with the folder of its artifacts under artifacts/.
LEVELS = {
    "proxies": "proxy",
    "captures": "capture",
    "discoveries": "capabilities",
    "feature_sets": "features",
    "contrasts": "contrasts",
    "matchings": "matching",
    "score_nets": "score_net",
    "view_sets": "views",
    "arms": "adapters",
}


def _nameable(budget: float) -> float:
    if abs(budget * 1000 - round(budget * 1000)) > 1e-6:
        raise ValueError(f"{budget} is not a multiple of 0.001, the smallest step of budgets")
    return budget


Budget = Annotated[Fraction, AfterValidator(_nameable)]


class Curate(Section):
    """How capabilities modify a method's selection: rows filtered before it, stages after it.

    by: the folder under artifacts/ that defines the capabilities, or "pool" for none. keep: the share of each subtask's
    rows, by highest purity, from which the method may select. sequence: order of the stages, one per capability.
    replay: share of earlier rows that each later stage replays.
    """

    by: Annotated[str, Field(pattern=r"^(pool|capabilities/[a-z0-9_]+)$")]
    keep: Fraction
    sequence: Sequence
    replay: Share

    @model_validator(mode="after")
    def _told(self) -> Self:
        if self.by == "pool" and (self.sequence != "none" or self.keep < 1):
            raise ValueError("sequence and keep need capabilities: set by to their folder, such as capabilities/NAME")
        return self


class Arm(Section):
    """A row of a table: a method with its budget, seeds and own parameters.

    signal: the folder under artifacts/ that the method reads besides the pool, or "pool" if it reads nothing else.
    rows: the folder under artifacts/ with all its rows: `adapters` if it continues to select rows during training.
    """

    method: Name
    signal: Annotated[
        str, Field(pattern=r"^(pool|embeddings|(capabilities|contrasts|features|matching|score_net|views)/[a-z0-9_]+)$")
    ]
    rows: Literal["selections", "adapters"] = "selections"
    budget: Budget
    seeds: Seeds
    curate: Curate
    select: dict[str, Any]


@dataclass(frozen=True)
class Variant:
    """A variant's name, its level, and the pipeline that defines it ("" for the root pipeline)."""

    level: str
    name: str
    pipeline: str = ""

    @classmethod
    def asked(cls, level: str) -> Variant:
        """The variant on a stage's command line, `stages/curate.py NAME [PIPELINE]`; NAME is `default` if omitted."""
        given = [word for word in sys.argv[1:] if not word.startswith("-")]
        return cls(level, *(given[:2] or ["default"]))

    @property
    def file(self) -> str:
        """The file that defines it."""
        return f"pipelines/{self.pipeline}/params.json" if self.pipeline else "params.yaml"


def budget_key(budget: float) -> str:
    """`b05` for 5%, `b00_5` for 0.5%: a name without a dot, for multiples of 0.1%."""
    thousandths = round(budget * 1000)
    return f"b{thousandths // 10:02d}" + (f"_{thousandths % 10}" if thousandths % 10 else "")


def percent(budget: float) -> str:
    """`5%` for 0.05, `0.5%` for 0.005."""
    return f"{round(100 * budget, 1):g}%"
