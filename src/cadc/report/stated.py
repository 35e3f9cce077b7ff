"""Access to arms, tables and their upstream variants, as params.yaml and pipelines/*/params.json define them."""

from __future__ import annotations

from typing import Any

from cadc import artifacts
from cadc.compose.studies import SECTIONS
from cadc.config.arms import percent
from cadc.config.errors import InputError
from cadc.config.params import read


def titled(label: str, budget: float, whole: bool) -> str:
    """A row's title in its table: its label and budget. `whole`: it trains on all rows, so its title has no budget."""
    return label if whole else f"{label}, {percent(budget)}"


class Stated:
    """All named variants and tables of the repository. Arm names are unique across pipelines."""

    def __init__(self):
        self.root = read("params.yaml")
        paths = sorted(artifacts.PIPELINES.glob("*/params.json"))
        self.pipelines: dict[str, dict] = {path.parent.name: read(path) for path in paths}

    def maker(self, level: str, name: str) -> str:
        """The pipeline that defines a variant, "" for the root. Raises InputError if none does."""
        for pipeline, levels in {"": self.root, **self.pipelines}.items():
            if name in levels.get(level, {}):
                return pipeline
        raise InputError(f"no pipeline defines {level}.{name}; run `make params` and see conf/studies")

    def variant(self, level: str, name: str) -> dict[str, Any]:
        """A variant with its sections. A section that it does not state comes from params.yaml."""
        levels = self.pipelines.get(self.maker(level, name), self.root)
        sections = {section: self.root[section] for section in SECTIONS[level] if section in self.root}
        return sections | levels[level][name]

    def arm(self, name: str) -> dict[str, Any]:
        """An arm: method, signal, budget, seeds, curate and select, and its model, finetune and evaluate."""
        return self.variant("arms", name)

    def command(self, stage: str, level: str, name: str) -> str:
        """The command that produces a stage's result for a variant."""
        pipeline = self.maker(level, name)
        where = f"pipelines/{pipeline}/dvc.yaml:" if pipeline else ""
        return f"dvc repro {where}{stage}@{name}"

    def table(self, pipeline: str, name: str) -> dict[str, Any]:
        """A table of a pipeline. Raises InputError if the pipeline has no such table."""
        tables = self.pipelines.get(pipeline, {}).get("tables", {})
        if name not in tables:
            known = ", ".join(f"{of} {one}" for of, levels in self.pipelines.items() for one in levels["tables"])
            raise InputError(f"pipelines/{pipeline}/params.json: no table {name}; there are {known}")
        return tables[name]
