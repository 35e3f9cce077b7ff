"""The similarity graph of subtasks and its communities, the model's intrinsic capabilities (CADC, discovery)."""

from __future__ import annotations

from collections.abc import Sequence

import igraph
import leidenalg
import numpy as np

from cadc.compute.finite import refuse_not_finite
from cadc.config.errors import InputError
from cadc.data.reasons import some


def check_gram(gram: np.ndarray, names: Sequence[str] | None = None, what: str = "subtask") -> None:
    """Raise InputError naming rows or subtasks with a non-finite inner product in gram [M, n, n]. names [n]; None:
    numbers.

    One such row spoils its subtask, and one such subtask spoils every cosine of the centred trajectories.
    """
    own = np.diagonal(gram, axis1=1, axis2=2)  # the diagonal finds the cause: a bad direction spoils all its products
    fix = "check its gradient: run `capture` again, which names the probe row"
    refuse_not_finite({"the inner product": own}, 1, names, what, fix)
    refuse_not_finite({"the inner product": gram}, 1, names, what, fix)


def check_signal(row_gram: np.ndarray, subtask: np.ndarray, names: Sequence[str], what: str = "capture") -> None:
    """Raise InputError naming subtasks whose probe rows all have zero gradients in all snapshots (ours).

    row_gram [M, n, n]: inner products of the rows; subtask int [n]: index of each row's subtask in names [S]. Such a
    subtask would form a stable capability of its own on which no row has influence.
    """
    seen = np.any(np.diagonal(row_gram, axis1=1, axis2=2), axis=0)
    empty = [name for s, name in enumerate(names) if not seen[subtask == s].any()]
    if empty:
        raise InputError(
            f"{what}: all probe rows of {len(empty)} subtasks have zero gradients: {some(empty)}; the model can't "
            "learn from these rows; check their answers, or shorten the targets"
        )


def centered(gram: np.ndarray) -> np.ndarray:
    """Gram matrices of the trajectories centred over subtasks: float64 [..., S, S].

    The common part of all trajectories does not separate subtasks (ours).
    """
    return gram - gram.mean(-1, keepdims=True) - gram.mean(-2, keepdims=True) + gram.mean((-1, -2), keepdims=True)


def cosine_similarity(gram: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Cosines of the concatenated, learning-rate-weighted trajectories, from gram [M, S, S] and rates [M]: float64 [S,
    S].

    A subtask with a zero trajectory has cosine 0 with all others and 1 with itself. Raises InputError as `check_gram`
    does.
    """
    check_gram(gram)
    total = np.einsum("m,mij->ij", np.asarray(rates, np.float64) ** 2, gram)
    length = np.sqrt(np.clip(np.diag(total), 0, None))
    safe = np.where(length > 0, length, 1.0)
    cosine = np.clip(total / safe[:, None] / safe[None], -1.0, 1.0)
    np.fill_diagonal(cosine, 1.0)
    return (cosine + cosine.T) / 2


def capabilities(
    gram: np.ndarray, rates: np.ndarray, center: bool, tau: float, resolution: float, level: int, seed: int
) -> np.ndarray:
    """Group subtasks into capabilities, from gram [M, S, S]: int32 [S]. Level 2 splits every capability of level 1 once
    more, with its own subtasks centred (ours)."""
    first = communities(cosine_similarity(centered(gram) if center else gram, rates), tau, resolution, seed)
    if level == 1:
        return first
    out, start = np.zeros_like(first), 0
    for c in range(first.max() + 1):
        at = np.flatnonzero(first == c)
        inside = capabilities(gram[:, at[:, None], at], rates, center, tau, resolution, 1, seed)
        out[at] = start + inside
        start += inside.max() + 1
    return out


def communities(cosine: np.ndarray, tau: float, resolution: float, seed: int) -> np.ndarray:
    """Leiden on the graph whose edges are cosines >= tau, weighted by the cosine (RBConfiguration): int32 [S].

    Communities are numbered by size, largest first, ties broken by their first subtask. Raises InputError for tau < 0,
    because Leiden takes no negative weights.
    """
    if tau < 0:
        raise InputError(f"discover.tau is {tau}; Leiden takes no negative weights, so it must be >= 0")
    n = len(cosine)
    edges = [(i, j) for i in range(n) for j in range(i + 1, n) if cosine[i, j] >= tau and cosine[i, j] > 0]
    graph = igraph.Graph(n=n, edges=edges)
    weights = [float(cosine[i, j]) for i, j in edges]
    partition = leidenalg.find_partition(
        graph,
        leidenalg.RBConfigurationVertexPartition,
        weights=weights,
        resolution_parameter=resolution,
        seed=seed,
        n_iterations=-1,
    )
    found = np.array(partition.membership)
    order = sorted(set(found.tolist()), key=lambda c: (-int((found == c).sum()), int(np.flatnonzero(found == c)[0])))
    return np.array([order.index(c) for c in found], np.int32)
