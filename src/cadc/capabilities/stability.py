"""Choose the partition that is most stable under resampling of the probe rows (ours)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

import numpy as np
from sklearn.metrics import adjusted_rand_score

from cadc import artifacts
from cadc.capabilities.graph import capabilities, check_gram, check_signal, communities
from cadc.config.params import Discover
from cadc.config.targets import target_name

_TOGETHER = 0.5  # minimum share of draws that group two subtasks, for an edge in the consensus graph


@dataclass(frozen=True)
class Captured:
    """The part of the artifact `capture` for some targets.

    subtasks: theirs. kept int [S]: their positions among all subtasks. subtask int [n]: index of each probe row's
    subtask. row_grams: inner products of the rows' directions in each proxy run, float32 [M, n, n].
    """

    subtasks: list[dict]
    kept: np.ndarray
    subtask: np.ndarray
    row_grams: list[np.ndarray]


def load_captured(folder: Path, targets: Sequence[str], n_runs: int) -> Captured:
    """Load the capture in `folder` for the `targets`, from its first `n_runs` proxy runs.

    Raises InputError naming file, subtask and probe row if an inner product is not finite, or the subtasks whose probe
    gradients are all zero.
    """
    everything = artifacts.read_json(folder / "subtasks.json")
    wanted = set(map(target_name, targets))
    kept = np.array([i for i, subtask in enumerate(everything) if subtask["target"] in wanted])
    of_row = np.asarray(artifacts.load_array(folder / "row_subtask.npy"))
    rows = np.flatnonzero(np.isin(of_row, kept))
    runs = [folder / f"row_gram_run_{k}.npy" for k in range(n_runs)]
    row_grams = [np.asarray(artifacts.load_array(path))[:, rows[:, None], rows] for path in runs]
    names = [f"{row} (of subtask {everything[of_row[row]]['name']})" for row in rows.tolist()]
    for path, row_gram in zip(runs, row_grams, strict=True):
        check_gram(row_gram, names, f"{path}: probe row")
        check_signal(row_gram, np.searchsorted(kept, of_row[rows]), [everything[i]["name"] for i in kept], str(path))
    return Captured([everything[i] for i in kept], kept, np.searchsorted(kept, of_row[rows]), row_grams)


@dataclass(frozen=True)
class Consensus:
    """The result for one tau and resolution: the consensus partition int32 [S], the partitions of all bootstrap draws
    of every run int32 [B, S], their mean pairwise adjusted Rand index, and how often two subtasks are grouped, float64
    [S, S]."""

    tau: float
    resolution: float
    partition: np.ndarray
    draws: np.ndarray
    agreement: float
    together: np.ndarray

    @property
    def n_capabilities(self) -> int:
        return int(self.partition.max()) + 1

    def summary(self, n_runs: int, chosen: bool) -> dict:
        """A summary for a report. `ari` is null for a single draw."""
        return {
            "tau": self.tau,
            "resolution": self.resolution,
            "capabilities": self.n_capabilities,
            "ari": round(self.agreement, 4) if len(self.draws) > 1 else None,
            "runs": n_runs,
            "chosen": chosen,
        }


def drawn_gram(row_gram: np.ndarray, subtask: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """Gram matrices float64 [M, S, S] of subtask means over rows drawn with replacement (over all rows if `rng` is
    None).

    row_gram float32 [M, n, n]: inner products of the probe rows' directions; subtask [n]: of each row.
    """
    n_subtasks = int(subtask.max()) + 1
    weights = np.zeros((n_subtasks, len(subtask)))
    for s in range(n_subtasks):
        rows = np.flatnonzero(subtask == s)
        np.add.at(weights[s], rows if rng is None else rng.choice(rows, len(rows)), 1 / len(rows))
    return np.stack([weights @ products.astype(np.float64) @ weights.T for products in row_gram])


def mean_agreement(partitions: np.ndarray) -> float:
    """Mean pairwise adjusted Rand index of partitions int [n, S]; 1 for a single one."""
    return (
        float(np.mean([adjusted_rand_score(a, b) for a, b in combinations(partitions, 2)]))
        if len(partitions) > 1
        else 1.0
    )


def consensus(
    row_grams: Sequence[np.ndarray], subtask: np.ndarray, weights: np.ndarray, discover: Discover
) -> list[Consensus]:
    """The consensus partition for every tau and resolution, over bootstrap draws of the probe rows in every proxy run.

    row_grams and subtask as in `drawn_gram`, one row_gram per run; weights [M] of the snapshots. All combinations use
    the same draws. With `bootstrap: 0` each run counts once with all rows; for one run that is plain Leiden (CADC). The
    consensus partition is Leiden on the graph of how often two subtasks are grouped (Lancichinetti and Fortunato 2012).
    It is more stable than the partition of one draw or of all rows, and more stable over several runs (ours) than over
    one. Raises InputError naming a probe row by number if an inner product is not finite, or the subtasks whose probe
    gradients are all zero.
    """
    for row_gram in row_grams:
        check_gram(row_gram, [f"{row} (of subtask {s})" for row, s in enumerate(subtask)], "probe row")
        check_signal(row_gram, subtask, [str(s) for s in range(int(subtask.max()) + 1)])
    rngs: list[list[int] | None] = [[discover.seed, b] for b in range(discover.bootstrap)]
    grams = [
        drawn_gram(row_gram, subtask, None if rng is None else np.random.default_rng(rng))
        for row_gram in row_grams
        for rng in rngs or [None]
    ]
    made = []
    for tau, resolution in product(discover.tau, discover.resolutions):
        draws = np.stack(
            [
                capabilities(gram, weights, discover.center, tau, resolution, discover.level, discover.seed)
                for gram in grams
            ]
        )
        together = (draws[:, :, None] == draws[:, None]).mean(0)
        partition = communities(together, _TOGETHER, 1.0, discover.seed)
        made.append(Consensus(tau, resolution, partition, draws, mean_agreement(draws), together))
    return made


def most_stable(candidates: list[Consensus]) -> Consensus:
    """The candidate with the highest agreement among those that split the subtasks; ties broken by order. If none does,
    the choice is among all."""
    parting = [c for c in candidates if 1 < c.n_capabilities < len(c.partition)]
    return max(parting or candidates, key=lambda c: c.agreement)
