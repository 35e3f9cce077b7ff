"""Influence of rows on capabilities, from their influence on subtasks (CADC, attribution)."""

from __future__ import annotations

import numpy as np

from cadc.capabilities.graph import centered, check_gram
from cadc.compute.finite import refuse_not_finite

_FIX = "run `attribute` again; it names the row by id"


def snapshot_weights(rates: np.ndarray, rule: str) -> np.ndarray:
    """Weight of each snapshot, float64 [M]: `lr`, its learning rate (CADC), or `equal` (ours).

    With a decaying learning rate, `lr` gives almost no weight to the last snapshots, although only there the model
    knows enough for a wrong answer to stand out.
    """
    return np.asarray(rates, np.float64) if rule == "lr" else np.ones(len(rates))


def affinity(influence: np.ndarray, norm: np.ndarray, gram: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How specific a row's influence is to each subtask (ours): float32 [N, S].

    It is the influence on the subtask minus the influence on all subtasks, standardised over rows so that subtasks are
    comparable. With a single subtask nothing is subtracted.
    """
    cosine = capability_influence(influence, norm, gram, weights, np.arange(influence.shape[2]), True).astype(
        np.float64
    )
    spread = cosine.std(0)
    return ((cosine - cosine.mean(0)) / np.where(spread > 0, spread, 1.0)).astype(np.float32)


def purity(influence: np.ndarray, norm: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """Whether a row's update agrees with training or, as wrong answers do, works against it (ours): float32 [N, S].

    It is the cosine of the row's direction with every subtask's trajectory at the last snapshot, without centring. Only
    the last snapshot counts because the model must have learnt something before a row can contradict it.
    """
    return capability_influence(influence[-1:], norm[-1:], gram[-1:], np.ones(1), np.arange(influence.shape[2]), False)


def capability_influence(
    influence: np.ndarray, norm: np.ndarray, gram: np.ndarray, weights: np.ndarray, capability: np.ndarray, center: bool
) -> np.ndarray:
    """Inf(z, c) = sum_t w_t cos(G_t(z), T_t(c)), with T_t(c) the mean trajectory of the capability's subtasks: float32
    [N, K].

    influence [M, N, S] and norm [M, N] of the rows' directions, gram [M, S, S] of the trajectories, weights [M],
    capability [S]. `center` subtracts the mean over subtasks from the trajectories, except for a single capability,
    whose trajectory is that mean. A zero direction or trajectory has influence 0. Raises InputError naming row numbers
    or subtasks if a value is not finite.
    """
    check_gram(gram)
    n_capabilities = int(capability.max()) + 1
    members = (capability[:, None] == np.arange(n_capabilities)[None]).astype(np.float64)
    members /= members.sum(0)
    total = np.zeros((influence.shape[1], n_capabilities))
    for t, weight in enumerate(weights):
        inner = np.asarray(influence[t], np.float64)
        products = gram[t]
        if center and n_capabilities > 1:
            inner, products = inner - inner.mean(1, keepdims=True), centered(gram[t])
        target = np.sqrt(np.clip(np.einsum("sk,st,tk->k", members, products, members), 0, None))
        scale = np.asarray(norm[t], np.float64)[:, None] * target[None]
        refuse_not_finite({"the influence": inner, "the length of the direction": scale}, 0, fix=_FIX)
        total += weight * np.divide(inner @ members, scale, out=np.zeros_like(total), where=scale > 0)
    return total.astype(np.float32)


def best_influence(affinity: np.ndarray, capability: np.ndarray) -> np.ndarray:
    """Influence on a capability as the maximum over its subtasks (ours): float32 [N, K].

    affinity float32 [N, S], capability [S]. The maximum is used because a row of one kind of subtask is not similar to
    the mean trajectory of a capability with many kinds.
    """
    return np.stack([affinity[:, capability == c].max(1) for c in range(int(capability.max()) + 1)], axis=1)
