"""Is a subtask's gradient its own? How often one half of its probe rows is nearest to the other half (ours)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cadc.capabilities.graph import centered, cosine_similarity

SPLITS = 20


def split_halves(subtask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Means over random halves of every subtask's rows, as weights: float64 [2 * S, n].

    subtask int [n] says whose the rows are. Lines 2 s and 2 s + 1 are the halves of subtask s; of an odd number of rows
    the second half has one more. Raises ValueError where a subtask has a single row.
    """
    n_subtasks = int(subtask.max()) + 1
    weights = np.zeros((2 * n_subtasks, len(subtask)))
    for s in range(n_subtasks):
        rows = rng.permutation(np.flatnonzero(subtask == s))
        if len(rows) < 2:
            raise ValueError(f"subtask {s} has {len(rows)} probe rows; two halves need two at least")
        for half, own in enumerate((rows[: len(rows) // 2], rows[len(rows) // 2 :])):
            weights[2 * s + half, own] = 1 / len(own)
    return weights


def found_halves(
    row_grams: Sequence[np.ndarray],
    subtask: np.ndarray,
    weights: np.ndarray,
    center: bool,
    splits: int = SPLITS,
    seed: int = 0,
) -> dict[str, float]:
    """`found`, the share of halves whose nearest half is the other one of their subtask; `chance`, that of a guess.

    row_grams: of each proxy run float32 [M, n, n], the inner products of the probe rows' directions; subtask int [n];
    weights [M] of the snapshots; with `center` halves are taken less their mean. Nearest is the largest cosine of the
    concatenated, weighted means, as in discovery; a tie goes to the first. Mean over runs and over `splits` splits.
    """
    right = []
    for row_gram in row_grams:
        for split in range(splits):
            halves = split_halves(subtask, np.random.default_rng([seed, split]))
            gram = np.stack([halves @ products.astype(np.float64) @ halves.T for products in row_gram])
            cosine = cosine_similarity(centered(gram) if center else gram, weights)
            np.fill_diagonal(cosine, -np.inf)
            right.append(np.mean(cosine.argmax(1) == np.arange(len(halves)) ^ 1))
    return {"found": float(np.mean(right)), "chance": 1 / (2 * (int(subtask.max()) + 1) - 1)}
