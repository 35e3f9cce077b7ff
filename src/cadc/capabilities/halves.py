"""Is a subtask's gradient specific to it? How often its two random halves are nearest neighbours (ours)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cadc.capabilities.graph import centered, cosine_similarity

SPLITS = 20


def split_halves(subtask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Weights for the means over random halves of every subtask's rows: float64 [2 * S, n].

    subtask int [n]: of each row. Lines 2 s and 2 s + 1 are the halves of subtask s; for an odd number of rows the
    second half has one more. Raises ValueError if a subtask has a single row.
    """
    n_subtasks = int(subtask.max()) + 1
    weights = np.zeros((2 * n_subtasks, len(subtask)))
    for s in range(n_subtasks):
        rows = rng.permutation(np.flatnonzero(subtask == s))
        if len(rows) < 2:
            raise ValueError(f"subtask {s} has {len(rows)} probe rows; it needs at least two")
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
    """`found`: share of halves whose nearest half is the other one of the same subtask. `chance`: the same for a guess.

    row_grams: one per proxy run, float32 [M, n, n], inner products of the probe rows' directions; subtask int [n];
    weights [M] of the snapshots; `center` centres the halves. Nearest means the largest cosine of the concatenated,
    weighted means, as in discovery; ties go to the first. Mean over runs and over `splits` splits.
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
