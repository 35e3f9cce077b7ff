"""Floating-point operations of an arm: row selection (before and during training) and one fine-tuning run (ours).

`stages/operations.py` counts the operations per row once, on the root pipeline's model. This module computes the rest
from what the arm states. Wall-clock times depend on the machine; they are in reports/costs.md (`seconds`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cadc import artifacts
from cadc.compose.studies import OF_SIGNAL
from cadc.config.budgets import n_selected
from cadc.config.errors import InputError
from cadc.evaluation.results import load_selections
from cadc.report.stated import Stated
from cadc.training.schedule import n_examples

COUNTED = artifacts.REPORTS / "operations.json"
#: The keys of `capture` that change the gradient engine's operations.
_ENGINE = ("targets", "sketch", "projection")
#: What a method reads besides the model's own passes: the tower's embeddings of rows (`embedding`; the signal
#: `embeddings` always counts them), or sentence embeddings of their questions.
READS = {
    "entropy_coverage": ("questions",),
    "presel": ("embedding",),
    "progress": ("questions",),
    "visnec": ("questions",),
}


@dataclass(frozen=True)
class Cost:
    """Operations. `selection` is spent once for all seeds; `tuning` is spent per seed."""

    selection: float
    tuning: float

    @property
    def together(self) -> float:
        return self.selection + self.tuning


def load_counted() -> dict[str, float]:
    """Read reports/operations.json. Raises InputError if it is missing."""
    if not COUNTED.exists():
        raise InputError(f"{COUNTED}: no such file; run `dvc repro operations`")
    return artifacts.read_json(COUNTED)


def full_tuning(stated: Stated, per_row: dict[str, float]) -> float:
    """Operations of one fine-tuning run on all rows, with the settings of params.yaml."""
    n_pool = int(per_row["n_rows"])
    return n_examples(n_pool, n_pool, stated.root["finetune"]["epochs"]) * per_row["training"]


def cost_of(stated: Stated, name: str, per_row: dict[str, float]) -> Cost | None:
    """The cost of an arm. None if it is unknown: the arm uses another model than the root, or skill lists (`views`)."""
    arm = stated.arm(name)
    parts = [_before_training(stated, read, per_row) for read in dict.fromkeys((arm["signal"], arm["curate"]["by"]))]
    if None in parts or arm["model"] != stated.root["model"]:
        return None
    n_pool = int(per_row["n_rows"])
    parts.append({kind: n_pool * per_row[kind] for kind in READS.get(arm["method"], ())})
    before = sum({name: value for part in parts for name, value in part.items()}.values())  # shared ones count once
    examples = n_examples(n_selected(arm["budget"], n_pool), n_pool, arm["finetune"]["epochs"])
    if not any((artifacts.ARMS / name).glob("rounds_*.npy")):  # written if the method selects during training
        rows = max(len(own) for own in load_selections(name).values())
        return Cost(before, max(examples, rows) * per_row["training"])
    tuning = examples * per_row["training"]
    rounds = [artifacts.load_array(artifacts.ARMS / name / f"rounds_{seed}.npy") for seed in arm["seeds"]]
    measured = float(np.mean([one[:, :, 4].sum() for one in rounds]))
    first = tuning if arm["select"].get("shuffled") else 0.0  # it reuses the rows of an earlier run
    return Cost(before + measured * per_row["forward"] + first, tuning)


def _before_training(stated: Stated, signal: str, per_row: dict[str, float]) -> dict[str, float] | None:
    """Operations spent on a signal before any row is selected, keyed by the artifact they produce.

    The whole artifact is counted, even for methods that read only one snapshot (ICONS, EL2N), but not the embeddings
    that `contrasts` hold (`READS`). `capabilities` count as many proxy runs as their variant states.
    """
    n_rows, (folder, _, name) = per_row["n_rows"], signal.partition("/")
    if not name:
        return {"pool": {}, "embeddings": {"embedding": n_rows * per_row["embedding"]}}[folder]
    made = stated.variant(OF_SIGNAL[folder], name)
    capture = stated.variant("captures", made["trajectories"]) if "trajectories" in made else stated.root
    if folder == "views" or any(capture["capture"][key] != stated.root["capture"][key] for key in _ENGINE):
        return None
    proxy = _proxy(stated, made)
    if proxy["model"] != stated.root["model"]:
        return None
    if folder == "score_net":
        return {
            "embedding": n_rows * per_row["embedding"],
            signal: n_rows * made["score_net"]["epochs"] * per_row["training"],
        }
    of_proxy = proxy["proxy"]
    run = f"proxy {made.get('run') or stated.variant('captures', made['trajectories'])['run']}"
    training = round(n_rows * of_proxy["pool_fraction"]) * of_proxy["epochs"] * per_row["training"]
    n_snapshots = of_proxy["snapshots"] if isinstance(of_proxy["snapshots"], int) else len(of_proxy["snapshots"])
    if folder == "contrasts":  # with and without image, first layer, attention per snapshot
        return {run: training, signal: (3 + n_snapshots) * n_rows * per_row["forward"]}
    if folder == "features":
        return {run: training, signal: n_snapshots * n_rows * per_row["forward"]}
    n_runs = len(of_proxy["seeds"]) if folder == "capabilities" else 1
    n_runs = min(n_runs, (made.get("discover") or {}).get("runs") or n_runs)
    of_rows, of_probe = (n_snapshots * n * per_row["gradients"] for n in (n_rows, per_row["n_probe"]))
    once = {run: training, f"capture {made['trajectories']}": of_probe}
    more = {f"{made_once}, further runs": (n_runs - 1) * work for made_once, work in once.items() if n_runs > 1}
    pool = f"influence {made['trajectories']}" if folder == "capabilities" else signal
    return once | more | {pool: of_rows}


def _proxy(stated: Stated, made: dict[str, Any]) -> dict[str, Any]:
    """The proxy run of a variant, taken from the variant itself or from its trajectories."""
    if "trajectories" in made:
        return stated.variant("proxies", stated.variant("captures", made["trajectories"])["run"])
    return stated.variant("proxies", made["run"]) if "run" in made else stated.root
