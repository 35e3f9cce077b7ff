"""Studies: tables whose rows are arms, as conf/studies states them.

A row names an arm and its changes by dotted key: `{arm: influence_coverage, set: {select.keep: 1.0}}`. compose/rows.py
expands rows into variants, and compose/names.py names these.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from cadc.config.arms import LEVELS, Budget
from cadc.config.section import Once, Section, Seeds

#: The sections that the variants of each level state in full.
SECTIONS = {
    "proxies": ("model", "proxy"),
    "captures": ("model", "capture"),
    "discoveries": ("discover",),
    "feature_sets": ("model", "capture", "features"),
    "contrasts": ("model", "proxy", "capture", "contrast"),
    "matchings": ("model", "capture", "match"),
    "score_nets": ("model", "proxy", "score_net"),
    "view_sets": ("model", "embed", "capture", "views"),
    "arms": ("model", "finetune", "evaluate"),
}
#: Published scores needed for a plot of ours against theirs.
FEWEST_PUBLISHED = 3
#: The folder of an arm's signal -> the level of its variants.
OF_SIGNAL = {folder: level for level, folder in LEVELS.items() if level not in ("proxies", "captures", "arms")}


class Row(Section):
    """One row of a table: an arm, and the parameters that the row changes."""

    arm: str
    label: str = ""
    set: dict[str, Any] = Field(default_factory=dict)

    @property
    def title(self) -> str:
        return self.label or ", ".join([self.arm, *(f"{key.split('.', 1)[-1]}: {v}" for key, v in self.set.items())])


class Table(Section):
    """A table. Differences are to its first row at the same budget. A row's `set` overrides the table's, which applies
    to the rows that read the key.

    claims: pairs of labels; the table tests whether the first is ahead of the second. published: label -> the paper's
    value of the table's metric (Rel. %), shown next to ours and in a plot. shows: optional sections of its page, see
    `report.sections`. difficulty: two rows to compare by subtask difficulty.
    """

    title: str
    about: str = ""
    split: Literal["score", "probe"] = "score"
    seeds: Seeds | None = None
    budgets: Annotated[list[Budget], Field(min_length=1), Once] | None = None
    set: dict[str, Any] = Field(default_factory=dict)
    plot: bool = False
    rows: list[Row] = Field(min_length=1)
    claims: Annotated[list[tuple[str, str]], Once] = Field(default_factory=list)
    published: dict[str, float] = Field(default_factory=dict)
    shows: Annotated[list[Literal["benchmarks", "rows", "capabilities", "convergence"]], Once] = Field(
        default_factory=list
    )
    difficulty: tuple[str, str] | None = None

    @model_validator(mode="after")
    def _labels_are_rows(self):
        labels = [row.title for row in self.rows]
        if twice := sorted({label for label in labels if labels.count(label) > 1}):
            raise ValueError(f"{self.title}: two rows have the label {twice[0]}")
        asked = {"a claim": chain(*self.claims), "published": self.published, "difficulty": self.difficulty or ()}
        for what, named in asked.items():
            if unknown := sorted(set(named) - set(labels)):
                raise ValueError(f"{self.title}: {what} names {unknown[0]}, which is not a row of the table")
        return self


class Study(Section):
    """A file of conf/studies: one pipeline, one page of tables.

    model: the `model.path` that the study is for; the study is skipped if params.yaml has another. None: any model.
    """

    title: str
    about: str = ""
    model: str | None = None
    tables: list[Table] = Field(min_length=1)

    @model_validator(mode="after")
    def _tables_have_files_of_their_own(self):
        names = [slug(table.title) for table in self.tables]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two tables would be written to {twice[0]}.md; change one title")
        return self


def slug(text: str) -> str:
    """`text` as a name that DVC accepts: a-z, 0-9 and _."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def read_by(pipeline: str, spec: dict[str, Any]) -> list[str]:
    """The small results that a pipeline's table reads, as paths under reports/. spec: the table in params.json."""
    arms = dict.fromkeys([*(row["arm"] for row in spec["rows"]), *([spec["full"]] if spec["full"] else [])])
    return [
        *(f"reports/arms/{arm}" for arm in arms),
        *(f"reports/capabilities/{name}" for name in spec.get("discoveries", ())),
        *(f"reports/convergence/{pipeline}/{arm}" for arm in spec.get("followed", ())),
        *(["reports/pool.parquet"] if "rows" in spec.get("shows", ()) else []),
    ]
