"""Selectors in their naive form: full matrices, and a search over all rows for every pick.

`selector_scale.py` compares their time with ours.
"""

from __future__ import annotations

import numpy as np

from cadc.selectors.signal import Signal


def dense_semdedup(signal: Signal, n: int) -> np.ndarray:
    features = np.concatenate([signal["image"], signal["text"]], 1) / np.sqrt(2).astype(np.float32)
    nearest = np.tril(features @ features.T, -1).max(1)  # one cluster
    return np.argsort(nearest, kind="stable")[:n]


def dense_coincide(signal: Signal, n: int, params) -> np.ndarray:
    """COINCIDE's clusters and shares, with MMD over full kernels, recomputed for every candidate of every pick."""
    from cadc.selectors import coincide
    from cadc.selectors.shared.transfer_density import cluster_shares

    measured = coincide.measure(signal, params)
    shares = cluster_shares(
        measured.score, np.array([len(rows) for rows in measured.rows]), n, params.temperature, params.variant
    )
    chosen = []
    for rows, share in zip(measured.rows, shares, strict=True):
        x = np.asarray(measured.features[rows], np.float64)
        if len(x) < 200:
            distance = ((x[:, None] - x[None]) ** 2).sum(2)
        else:
            distance = np.maximum((x**2).sum(1)[:, None] + (x**2).sum(1) - 2 * x @ x.T, 0)
        kernel = np.exp(-distance / (2 * measured.gamma**2))
        picked: list[int] = []
        for _ in range(share):
            losses = [
                np.inf
                if i in picked
                else kernel[np.ix_([*picked, i], [*picked, i])].mean() - 2 * kernel[[*picked, i]].mean()
                for i in range(len(rows))
            ]
            picked.append(int(np.argmin(losses)))
        chosen.append(rows[picked])
    return np.concatenate(chosen)


def _dense_neighbours(cosine: np.ndarray, k: int) -> np.ndarray:
    np.fill_diagonal(cosine, -np.inf)
    return np.argpartition(-cosine, k, axis=1)[:, :k]


def dense_d2(signal: Signal, n: int) -> np.ndarray:
    hidden, score = np.array(signal["hidden"]), np.asarray(signal["margin"], np.float64).mean(0)
    cosine = hidden @ hidden.T
    near = _dense_neighbours(cosine, 5)
    distance = np.sqrt(np.maximum(2 - 2 * np.take_along_axis(cosine, near, 1), 0))
    score = score + (np.exp(-distance) * score[near]).sum(1)
    chosen = []
    for _ in range(n):
        best = int(score.argmax())
        chosen.append(best)
        score[near[best]] -= np.exp(-0.4 * distance[best]) * score[best]
        score[best] = -np.inf
    return np.array(chosen)


def dense_self_filter(signal: Signal, n: int) -> np.ndarray:
    features, difficulty = np.array(signal["features"]), np.asarray(signal["difficulty"], np.float64)
    cosine, left, chosen = features @ features.T, np.ones(len(features), bool), []
    for _ in range(n):
        best = int(np.where(left, difficulty, -np.inf).argmax())
        chosen.append(best)
        left[best] = False
        near = np.argsort(-np.where(left, cosine[best], -np.inf))[:10]
        difficulty[near] -= difficulty[best] * cosine[best, near] ** 2
    return np.array(chosen)


#: Method -> function that returns the selected rows; COINCIDE also takes its parameters.
DENSE = {"semdedup": dense_semdedup, "d2_pruning": dense_d2, "self_filter": dense_self_filter}
