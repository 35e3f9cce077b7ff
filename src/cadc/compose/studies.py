"""Studies: tables whose rows are arms, as conf/studies states them, spelled out into named variants.

A row names an arm and what differs from it, by dotted key: `{arm: influence_coverage, set: {select.keep: 1.0}}`. `capture.update: sgd`
makes another capture, another discovery from it and another arm on that; what several rows share is made once, and a row that equals an arm
of the root pipeline, or of an earlier study, is that arm.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from typing import Any

from pydantic import Field, model_validator

from cadc.config.arms import LEVELS, budget_key
from cadc.config.errors import InputError
from cadc.config.section import Section, Seed

#: The sections that each level's variants state, whole.
SECTIONS = {
    "proxies": ("model", "proxy"),
    "captures": ("model", "capture"),
    "discoveries": ("discover",),
    "feature_sets": ("model", "capture", "features"),
    "matchings": ("model", "capture", "match"),
    "score_nets": ("model", "proxy", "score_net"),
    "view_sets": ("model", "embed", "capture", "views"),
    "arms": ("model", "finetune", "evaluate"),
}
#: The folder that an arm's signal lies in -> the level whose variants it holds.
OF_SIGNAL = {folder: level for level, folder in LEVELS.items() if level not in ("proxies", "captures", "arms")}
_OWN = ("budget", "seeds", "signal", "select", "curate", "finetune", "evaluate", "tuned")  # of the arm itself
_LONGEST = 64  # characters of a name


class Row(Section):
    """One row of a table: an arm, and the parameters in which the row differs from it."""

    arm: str
    label: str = ""
    set: dict[str, Any] = Field(default_factory=dict)

    @property
    def title(self) -> str:
        return self.label or ", ".join([self.arm, *(f"{key.split('.', 1)[-1]}: {v}" for key, v in self.set.items())])


class Table(Section):
    """A table. Differences are to its first row at the same budget; a row's `set` outranks the table's.

    claims: pairs of labels; the table says whether the first is ahead of the second.
    """

    title: str
    about: str = ""
    split: str = "score"
    seeds: list[Seed] | None = None
    budgets: list[float] | None = None
    set: dict[str, Any] = Field(default_factory=dict)
    plot: bool = False
    rows: list[Row] = Field(min_length=1)
    claims: list[tuple[str, str]] = Field(default_factory=list)

    @model_validator(mode="after")
    def _claims_name_rows(self):
        labels = [row.title for row in self.rows]
        if twice := sorted({label for label in labels if labels.count(label) > 1}):
            raise ValueError(f"{self.title}: two rows are called {twice[0]}")
        if unknown := sorted({label for claim in self.claims for label in claim} - set(labels)):
            raise ValueError(f"{self.title}: a claim names {unknown[0]}, which is no row of the table")
        return self


class Study(Section):
    """A file of conf/studies: one pipeline, one page of tables."""

    title: str
    about: str = ""
    tables: list[Table] = Field(min_length=1)


def slug(text: str) -> str:
    """`text` as a name that DVC takes: a-z, 0-9 and _."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def merged(section: dict, key: str, value: Any, source: str) -> None:
    """Replace the value at a dotted key, in place. Raises InputError where the section has no such key."""
    *path, last = key.split(".")
    for name in path:
        section = section.get(name) if isinstance(section, dict) else None
    if not isinstance(section, dict) or last not in section:
        raise InputError(f"{source}: no parameter {key}")
    section[last] = value


class Variants:
    """All named variants so far: the root pipeline's, and those that studies add."""

    def __init__(self, library: dict):
        """library: everything that conf/library.yaml composes."""
        self.library = library
        self.names: dict[str, dict[str, tuple[str, str]]] = {level: {} for level in LEVELS}  # content -> name, pipeline
        self.made: dict[str, dict[str, dict[str, dict]]] = {}  # pipeline -> level -> name -> variant
        for arm in library["arms"]:
            self.arm(Row(arm=arm), {}, "")

    def _named(self, level: str, variant: dict, wanted: str, pipeline: str) -> str:
        """The name of a variant: that of one which is equal, else a new one like `wanted`, made by `pipeline`."""
        content = json.dumps(variant, sort_keys=True)
        if content not in self.names[level]:
            code = hashlib.blake2b(content.encode(), digest_size=3).hexdigest()
            name = wanted if len(wanted) <= _LONGEST else f"{wanted[: _LONGEST - 7]}_{code}"
            if name in {known for known, _ in self.names[level].values()}:
                name = f"{wanted[: _LONGEST - 7]}_{code}"
            self.names[level][content] = (name, pipeline)
            self.made.setdefault(pipeline, {}).setdefault(level, {})[name] = variant
        return self.names[level][content][0]

    def reads(self, arm: str, key: str) -> bool:
        """Whether a parameter is one of the arm, or of what it reads: what a table sets for all rows is of no account to some."""
        base = self.library["arms"].get(arm) or self.library["methods"].get(arm) or {"signal": "pool"}
        folder, _, parent = base["signal"].partition("/")
        upstream = SECTIONS[OF_SIGNAL[folder]] if parent else ()
        return key.partition(".")[0] in (*_OWN, "model", *upstream, *(("proxy", "capture") if parent else ()))

    def arm(self, row: Row, changes: dict[str, Any], pipeline: str, source: str = "") -> str:
        """The name of the arm that a row with these changes is, made known with all that it reads."""
        base = self.library["arms"].get(row.arm) or self.library["methods"].get(row.arm)
        if base is None:
            known = ", ".join([*self.library["arms"], *self.library["methods"]])
            raise InputError(f"{source}: no arm or method {row.arm}; there are {known}")
        arm = copy.deepcopy(
            {"method": row.arm, "budget": self.library["budget"], "seeds": self.library["seeds"]}
            | {"curate": {"sequence": "none", "replay": 0.2}}
            | dict(base)
        )
        changes = {key: value for key, value in changes.items() if not (key == "budget" and arm["method"] == "full")}
        if "signal" in changes:
            arm["signal"] = changes["signal"]
        folder, _, parent = arm["signal"].partition("/")
        upstream = self.library[OF_SIGNAL[folder]][parent] if parent else {}
        sections = copy.deepcopy(
            {name: self.library[name] for names in SECTIONS.values() for name in names if name in self.library}
        )
        if "discover" in upstream:
            sections["discover"] = copy.deepcopy(upstream["discover"])
        tuned: dict[str, Any] = {}
        for key, value in changes.items():
            section, _, rest = key.partition(".")
            if section == "tuned":
                tuned[rest] = value
            elif section in ("budget", "seeds", "signal", "select", "curate"):
                merged(arm, key, value, f"{source}, {row.title}")
            elif section in sections:
                merged(sections[section], rest, value, f"{source}, {row.title}")
            else:
                raise InputError(f"{source}, {row.title}: no parameter {key}")
        if parent:
            arm["signal"] = f"{folder}/{self._upstream(OF_SIGNAL[folder], parent, sections, changes, pipeline)}"
        own = copy.deepcopy(sections)
        for key, value in tuned.items():
            merged(own["model"], key, value, f"{source}, {row.title}")
        if "path" in tuned:
            own["model"]["watched"] = tuned["path"]
        arm |= {name: own[name] for name in SECTIONS["arms"]}
        said = {
            key: value for key, value in changes.items() if key not in ("seeds", "evaluate.split", "budget", "signal")
        }
        parts = [row.arm, *_words(said)]
        if arm["budget"] != base.get("budget", self.library["budget"]):
            parts.append(budget_key(arm["budget"]))
        if arm["signal"] != base["signal"] and "signal" in changes:
            parts.append(slug(arm["signal"]))
        if arm["evaluate"]["split"] != self.library["evaluate"]["split"]:
            parts.append(arm["evaluate"]["split"])
        elif arm["seeds"] != base.get("seeds", self.library["seeds"]):
            parts.append(f"{len(arm['seeds'])}_seeds")
        return self._named("arms", arm, "_".join(parts), pipeline)

    def _upstream(self, level: str, parent: str, sections: dict, changes: dict[str, Any], pipeline: str) -> str:
        """The name of the variant of `level` that these sections make, and of all it is made from."""

        def whole(level: str, pointers: dict[str, str]) -> dict:
            return pointers | {name: sections[name] for name in SECTIONS[level]}

        def name(level: str, parent: str, pointers: dict[str, str], of: tuple[str, ...]) -> str:
            said = {key: value for key, value in changes.items() if key.partition(".")[0] in of}
            words = [*([] if parent == "default" and said else [parent]), *_words(said)]
            return self._named(level, whole(level, pointers), "_".join(words), pipeline)

        pointers: dict[str, str] = {}
        base = self.library[level][parent]
        if "run" in base:
            pointers["run"] = name("proxies", base["run"], {}, ("model", "proxy"))
        if "trajectories" in base:
            of = ("model", "proxy", "capture")
            pointers["trajectories"] = name("captures", base["trajectories"], dict(pointers), of)
        of = tuple(part for part in (*SECTIONS[level], "proxy", "capture", "model"))
        return name(level, parent, pointers, of)


def _words(changes: dict[str, Any]) -> list[str]:
    """Changed parameters in words, for a name: the last part of each key, and its value."""
    return [slug(f"{key.rsplit('.', 1)[-1]} {json.dumps(value)}") for key, value in changes.items()]


def expand(study: Study, name: str, variants: Variants) -> dict[str, dict]:
    """The study's tables by name, each row with its label and its arm, whose variants are made known to `variants`."""
    tables = {}
    for table in study.tables:
        common = {"evaluate.split": table.split} if table.split != variants.library["evaluate"]["split"] else {}
        common |= {"seeds": table.seeds} if table.seeds is not None else {}
        rows, source = [], f"conf/studies/{name}.yaml, {table.title}"
        for row in table.rows:
            for budget in table.budgets if table.budgets and row.arm != "full" else [None]:
                shared = {key: value for key, value in table.set.items() if variants.reads(row.arm, key)}
                changes = common | shared | row.set | ({"budget": budget} if budget is not None else {})
                rows.append({"label": row.title, "arm": variants.arm(row, changes, name, source)})
        of_full = {"evaluate.split": table.split} if table.split != variants.library["evaluate"]["split"] else {}
        full = next((row["arm"] for row in rows if row["arm"].startswith("full")), None)
        if full is None and not of_full:
            full = "full"
        tables[slug(table.title)] = {
            **table.model_dump(include={"title", "about", "split", "plot", "claims"}),
            "rows": rows,
            "full": full,
        }
    return tables
