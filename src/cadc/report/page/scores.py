"""Why rows are selected: the scores of methods and discoveries for every pool row, and the flags of cleaning."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from cadc import artifacts
from cadc.config.arms import Arm
from cadc.config.targets import target_name
from cadc.export.why import flags_of, target_influence
from cadc.report.stated import Stated
from cadc.selectors.loading import load_selector, load_signal, measure, scores


def of_discoveries(names: list[str]) -> dict[str, np.ndarray]:
    """Columns float [n_rows] by title for each discovery with a local artifact: influence on each capability and
    target, and mean self-influence."""
    columns = {}
    for name in names:
        folder = artifacts.CAPABILITIES / name
        if not (folder / "influence.npy").exists():
            continue
        for c, column in enumerate(artifacts.load_array(folder / "influence.npy").T):
            columns[f"{name}: influence on capability {c}"] = np.asarray(column, float)
        targets = [target_name(entry["target"]) for entry in artifacts.read_json(folder / "capabilities.json")]
        for target, column in target_influence(artifacts.load_array(folder / "affinity.npy"), targets).items():
            columns[f"{name}: influence on {target}"] = np.asarray(column, float)
        columns[f"{name}: self-influence"] = artifacts.load_array(folder / "self_influence.npy").mean(0)
    return columns


def of_methods(stated: Stated, arms: list[str], pool: pa.Table) -> dict[str, np.ndarray]:
    """The score by which each arm's method ranks rows (higher is selected first), float [n_rows] by title. Only for
    methods that rank by a score and have a local signal."""
    columns = {}
    for name in arms:
        said = stated.arm(name)
        arm = Arm.model_validate({key: said[key] for key in Arm.model_fields if key in said})
        selector, settings = load_selector(arm.method, arm.select, f"arms.{name}")
        at_hand = arm.signal == "pool" or any((artifacts.ROOT / arm.signal).glob("*.npy"))
        if not hasattr(selector, "scores") or not at_hand:
            continue
        made = scores(selector, measure(selector, load_signal(arm, pool), settings), settings)
        if made is not None:
            columns[f"{name}: score"] = np.asarray(made, float)
    return columns


def flags(stated: Stated, ids: list[str]) -> list[list[str]] | None:
    """The cleaning checks that flag each row; None if the export uses no flags (`export.flags: raw`)."""
    if stated.root["export"]["flags"] != "cleaning":
        return None
    return flags_of(artifacts.read_table(artifacts.CLEANING / "findings.parquet"), ids)
