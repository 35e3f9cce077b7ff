"""Why rows are chosen: what methods and discoveries make of every row of the pool, and what cleaning says of it."""

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
    """Of each discovery whose artifact is at hand, float [n_rows] by title: influence on each capability and on each
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
    """The number by which the method of each arm ranks rows, higher is sooner, float [n_rows] by title: of those that
    rank by one, and whose signal is at hand."""
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
    """The checks of cleaning that flag each row; None where none was asked for (`export.flags: raw`)."""
    if stated.root["export"]["flags"] != "cleaning":
        return None
    return flags_of(artifacts.read_table(artifacts.CLEANING / "findings.parquet"), ids)
