"""From influence on subtasks to influence on capabilities (CADC, attribution)."""

from __future__ import annotations

import numpy as np

from cadc.capabilities.graph import centered, check_gram
from cadc.compute.finite import refuse_not_finite

_FIX = "run `attribute` again, which names it by id"


def snapshot_weights(rates: np.ndarray, rule: str) -> np.ndarray:
    """How much every snapshot counts, float64 [M]: `lr`, its learning rate (CADC), or `equal` (ours).

    Under a decaying rate `lr` all but silences the last snapshots, the only ones at which the model knows enough to be
    put off by a wrong answer.
    """
    return np.asarray(rates, np.float64) if rule == "lr" else np.ones(len(rates))


def affinity(influence: np.ndarray, norm: np.ndarray, gram: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What a row is about, beside other rows (ours): float32 [N, S].

    Its influence on every subtask less that on all subtasks, standardised over the rows so that subtasks can be
    compared. Of a single subtask there is nothing to take off.
    """
    cosine = capability_influence(influence, norm, gram, weights, np.arange(influence.shape[2]), True).astype(
        np.float64
    )
    spread = cosine.std(0)
    return ((cosine - cosine.mean(0)) / np.where(spread > 0, spread, 1.0)).astype(np.float32)


def purity(influence: np.ndarray, norm: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """Whether a row moves the model on its course or, as wrong answers do, against it (ours): float32 [N, S].

    The cosine, common part included, of its direction with every subtask's trajectory at the last snapshot: the model
    must have learnt something to be contradicted.
    """
    return capability_influence(influence[-1:], norm[-1:], gram[-1:], np.ones(1), np.arange(influence.shape[2]), False)


def capability_influence(
    influence: np.ndarray, norm: np.ndarray, gram: np.ndarray, weights: np.ndarray, capability: np.ndarray, center: bool
) -> np.ndarray:
    """Inf(z, c) = sum_t w_t cos(G_t(z), T_t(c)), T_t(c) the mean of the capability's subtask trajectories: float32 [N,
    K].

    influence [M, N, S] and norm [M, N] of the rows' directions, gram [M, S, S] of the trajectories, weights [M],
    capability [S]. With `center` the trajectories are taken less their mean over subtasks, but for a single
    capability's: it is that mean, and nothing would be left. A zero direction or trajectory has influence 0. Raises
    InputError naming rows by number, or subtasks, where anything is not finite.
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
    """A row serves a capability as well as the one of its subtasks that it serves best (ours): float32 [N, K].

    affinity float32 [N, S], capability [S]. Beside the mean trajectory of a capability of many kinds of subtasks, a row
    of just one kind looks like none of them.
    """
    return np.stack([affinity[:, capability == c].max(1) for c in range(int(capability.max()) + 1)], axis=1)
