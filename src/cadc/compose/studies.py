"""Studies: tables whose rows are arms, as conf/studies states them.

A row names an arm and what differs from it, by dotted key: `{arm: influence_coverage, set: {select.keep: 1.0}}`. What
rows ask for is spelled out in compose/rows.py, and named in compose/names.py.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from cadc.config.arms import LEVELS, Budget
from cadc.config.section import Once, Section, Seeds

#: The sections that each level's variants state, whole.
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
#: Published figures that a picture of them beside ours takes: of fewer it would show nothing.
FEWEST_PUBLISHED = 3
#: The folder that an arm's signal lies in -> the level whose variants it holds.
OF_SIGNAL = {folder: level for level, folder in LEVELS.items() if level not in ("proxies", "captures", "arms")}


class Row(Section):
    """One row of a table: an arm, and the parameters in which the row differs from it."""

    arm: str
    label: str = ""
    set: dict[str, Any] = Field(default_factory=dict)

    @property
    def title(self) -> str:
        return self.label or ", ".join([self.arm, *(f"{key.split('.', 1)[-1]}: {v}" for key, v in self.set.items())])


class Table(Section):
    """A table. Differences are to its first row at the same budget; a row's `set` outranks the table's, which holds
    for the rows that read it.

    claims: pairs of labels; the table says whether the first is ahead of the second. published: by label, what a paper
    gives of the figure that the table judges by (Rel. %); it stands beside ours, and in a picture of both. shows: what
    else its page holds, see `report.sections`. difficulty: a row and what it is held against there, subtask by subtask.
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
            raise ValueError(f"{self.title}: two rows are called {twice[0]}")
        asked = {"a claim": chain(*self.claims), "published": self.published, "difficulty": self.difficulty or ()}
        for what, named in asked.items():
            if unknown := sorted(set(named) - set(labels)):
                raise ValueError(f"{self.title}: {what} names {unknown[0]}, which is no row of the table")
        return self


class Study(Section):
    """A file of conf/studies: one pipeline, one page of tables.

    model: the `model.path` that the study is of. Where params.yaml has another, the study is not composed; None: any.
    """

    title: str
    about: str = ""
    model: str | None = None
    tables: list[Table] = Field(min_length=1)

    @model_validator(mode="after")
    def _tables_have_files_of_their_own(self):
        names = [slug(table.title) for table in self.tables]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two tables would be written to {twice[0]}.md: give one another title")
        return self


def slug(text: str) -> str:
    """`text` as a name that DVC takes: a-z, 0-9 and _."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def read_by(pipeline: str, spec: dict[str, Any]) -> list[str]:
    """The small results that a table of a pipeline is made from, as its `params.json` states it: paths under
    reports/."""
    arms = dict.fromkeys([*(row["arm"] for row in spec["rows"]), *([spec["full"]] if spec["full"] else [])])
    return [
        *(f"reports/arms/{arm}" for arm in arms),
        *(f"reports/capabilities/{name}" for name in spec.get("discoveries", ())),
        *(f"reports/convergence/{pipeline}/{arm}" for arm in spec.get("followed", ())),
        *(["reports/pool.parquet"] if "rows" in spec.get("shows", ()) else []),
    ]
