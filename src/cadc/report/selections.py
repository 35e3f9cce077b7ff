"""Statistics of each arm's selected rows: sources, noise, and coverage of the pool's clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cadc import artifacts
from cadc.config.errors import InputError
from cadc.config.world import OTHER_FAULTS
from cadc.evaluation.results import load_selections
from cadc.report.text import markdown


@dataclass(frozen=True)
class Facts:
    """reports/pool.parquet, all [n_rows]: source and about str, cluster int32; None if the pool has no labels: noise
    and form str, copy bool. `skipped`: number of rows skipped when the pool was read.
    """

    source: np.ndarray
    cluster: np.ndarray
    about: np.ndarray
    noise: np.ndarray | None
    form: np.ndarray | None
    copy: np.ndarray | None
    skipped: int


def load_facts() -> Facts:
    """Raises InputError if the file is missing."""
    if not artifacts.FACTS.exists():
        raise InputError(f"{artifacts.FACTS}: no such file; run `dvc repro facts`")
    table = artifacts.read_table(artifacts.FACTS)
    names = ("source", "cluster", "about", "noise", "form", "copy")
    columns = {name: np.array(table[name].to_pylist()) if name in table.column_names else None for name in names}
    return Facts(**columns, skipped=int((table.schema.metadata or {}).get(b"skipped", 0)))


def rows_of(arm: str) -> list[np.ndarray]:
    """The distinct rows of an arm for each seed: int64 [n]."""
    return [np.unique(chosen["row"].to_numpy()) for chosen in load_selections(arm).values()]


def composition(arms: dict[str, str], facts: Facts) -> str:
    """Clusters covered, and shares of faults, copies and multiple choice, mean over seeds. No method sees these labels.

    arms: label -> arm.
    """
    kinds = {}
    if facts.noise is not None:
        kinds = {
            "wrong answers %": facts.noise == "wrong",
            "mismatched images %": facts.noise == "mismatch",
            "other faults %": np.isin(facts.noise, OTHER_FAULTS),
            "duplicates %": facts.copy,
        }
    if facts.form is not None:
        kinds["multiple choice %"] = facts.form == "choice"
    n_clusters, body = len(np.unique(facts.cluster)), []
    for label, arm in arms.items():
        shares = [
            [len(np.unique(facts.cluster[rows])) / n_clusters, *(np.mean(own[rows]) for own in kinds.values())]
            for rows in rows_of(arm)
        ]
        body.append([label, *(f"{100 * share:.1f}" for share in np.mean(shares, axis=0))])
    said = "*clusters covered*: clusters of the pool's images and texts from which at least one row was selected."
    return markdown(["selection", "clusters covered %", *kinds], body) + f"\n{said}\n"


def task_shares(arms: dict[str, str], facts: Facts) -> str:
    """Share of each source in each arm's rows, mean over seeds. arms: label -> arm."""
    names = sorted(set(facts.source.tolist()))

    def shares(rows: list[np.ndarray]) -> list[str]:
        return [f"{100 * np.mean([np.mean(facts.source[own] == name) for own in rows]):.1f}" for name in names]

    body = [
        ["pool", *shares([np.arange(len(facts.source))])],
        *([label, *shares(rows_of(arm))] for label, arm in arms.items()),
    ]
    return markdown(["selection, % of its rows", *names], body)
