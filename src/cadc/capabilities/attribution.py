"""From influence on subtasks to influence on capabilities (CADC, attribution)."""

from __future__ import annotations

import numpy as np

from cadc.capabilities.graph import centered


def subtask_profile(influence: np.ndarray, norm: np.ndarray, gram: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """How well every row suits each subtask, beside other rows (ours): float32 [N, S].

    The influence on the subtask less that on all subtasks says what a row is about; the influence as it is says whether
    it moves the model on its course or, as wrong answers do, against it. Both are standardised over the rows, so that
    subtasks can be compared, and added.
    """
    alone, made = np.arange(influence.shape[2]), 0.0
    for center in (True, False):
        cosine = capability_influence(influence, norm, gram, rates, alone, center).astype(np.float64)
        spread = cosine.std(0)
        made = made + (cosine - cosine.mean(0)) / np.where(spread > 0, spread, 1.0)
    return made.astype(np.float32)


def capability_influence(influence: np.ndarray, norm: np.ndarray, gram: np.ndarray, rates: np.ndarray, capability: np.ndarray, center: bool) -> np.ndarray:
    """Inf(z, c) = sum_t lr_t cos(G_t(z), T_t(c)), T_t(c) the mean of the capability's subtask trajectories: float32 [N, K].

    influence [M, N, S] and norm [M, N] of the rows' directions, gram [M, S, S] of the trajectories, rates [M],
    capability [S]. With `center` the trajectories are taken less their mean over subtasks. A zero direction or
    trajectory has influence 0.
    """
    n_capabilities = int(capability.max()) + 1
    members = (capability[:, None] == np.arange(n_capabilities)[None]).astype(np.float64)
    members /= members.sum(0)
    total = np.zeros((influence.shape[1], n_capabilities))
    for t, rate in enumerate(rates):
        inner = np.asarray(influence[t], np.float64)
        products = gram[t]
        if center:
            inner, products = inner - inner.mean(1, keepdims=True), centered(gram[t])
        target = np.sqrt(np.clip(np.einsum("sk,st,tk->k", members, products, members), 0, None))
        scale = np.asarray(norm[t], np.float64)[:, None] * target[None]
        total += rate * np.divide(inner @ members, scale, out=np.zeros_like(total), where=scale > 0)
    return total.astype(np.float32)
