"""Which capabilities? The partition that other draws of the probe rows would have given too (ours)."""

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

_TOGETHER = 0.5  # share of the draws in which two subtasks must fall together to be held together by the consensus


@dataclass(frozen=True)
class Captured:
    """Of the artifact `capture` what belongs to some of its targets: their subtasks, the positions of these among all
    subtasks int [S], whose each of their probe rows is int [n], and the inner products of the rows' directions float32
    [M, n, n] in every proxy run."""

    subtasks: list[dict]
    kept: np.ndarray
    subtask: np.ndarray
    row_grams: list[np.ndarray]


def load_captured(folder: Path, targets: Sequence[str], n_runs: int | None) -> Captured:
    """What the capture in `folder` holds of the `targets`, in its first `n_runs` proxy runs (all for None).

    Raises InputError naming file, subtask and probe row where an inner product is not finite, and the subtasks whose
    probe gradients are all zero.
    """
    everything = artifacts.read_json(folder / "subtasks.json")
    wanted = set(map(target_name, targets))
    kept = np.array([i for i, subtask in enumerate(everything) if subtask["target"] in wanted])
    of_row = np.asarray(artifacts.load_array(folder / "row_subtask.npy"))
    rows = np.flatnonzero(np.isin(of_row, kept))
    runs = sorted(folder.glob("row_gram_run_*.npy"))[:n_runs]
    row_grams = [np.asarray(artifacts.load_array(path))[:, rows[:, None], rows] for path in runs]
    names = [f"{row} (of subtask {everything[of_row[row]]['name']})" for row in rows.tolist()]
    for path, row_gram in zip(runs, row_grams, strict=True):
        check_gram(row_gram, names, f"{path}: probe row")
        check_signal(row_gram, np.searchsorted(kept, of_row[rows]), [everything[i]["name"] for i in kept], str(path))
    return Captured([everything[i] for i in kept], kept, np.searchsorted(kept, of_row[rows]), row_grams)


@dataclass(frozen=True)
class Consensus:
    """What one tau and resolution give: the consensus partition int32 [S], those of the bootstrap draws of every run
    int32 [B, S], their mean pairwise adjusted Rand index, and how often two subtasks fall together float64 [S, S]."""

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
        """In short, for a report. A single draw has nothing to agree with: its `ari` is null."""
        return {
            "tau": self.tau,
            "resolution": self.resolution,
            "capabilities": self.n_capabilities,
            "ari": round(self.agreement, 4) if len(self.draws) > 1 else None,
            "runs": n_runs,
            "chosen": chosen,
        }


def drawn_gram(row_gram: np.ndarray, subtask: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """Gram matrices float64 [M, S, S] of subtask means, each over its rows drawn with replacement (all of them
    without `rng`).

    row_gram float32 [M, n, n] are the inner products of the probe rows' directions, subtask [n] says whose they are.
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
    """The consensus at every tau and resolution, over bootstrap draws of the probe rows (the same for all) in every
    proxy run.

    row_grams and subtask as in `drawn_gram`, one row_gram a run; weights [M] of the snapshots. With `bootstrap: 0` a
    run counts once, with all rows: of one run that is plain Leiden (CADC). The consensus partition is Leiden's on the
    graph of how often two subtasks fall together (Lancichinetti and Fortunato 2012): it is steadier than that of any
    one draw, or of all rows; and over several runs (ours) steadier than over one.
    Raises InputError naming a probe row by number where an inner product is not finite, and the subtasks whose probe
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
    """The candidate whose draws agree best among those that part the subtasks at all; ties by order. All alike if
    none does."""
    parting = [c for c in candidates if 1 < c.n_capabilities < len(c.partition)]
    return max(parting or candidates, key=lambda c: c.agreement)
