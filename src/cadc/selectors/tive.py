"""TIVE: task budgets by mean gradient norm; within a task, rows sampled by agreement with its mean gradient.

Liu et al. 2024, arXiv 2403.09559.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from cadc.artifacts import Selection
from cadc.config.budgets import capped_shares
from cadc.config.section import Section
from cadc.selectors.signal import Signal

_BLOCK = 65536  # rows at a time


class Params(Section):
    """q: weight of a row's value in the sampling. Released: 0.001, which makes its effect negligible."""

    q: Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class Tasks:
    """Results shared by all budgets and seeds.

    task int64 [n_rows]; value float64 [n_tasks]: mean gradient norm; instance float64 [n_rows]: mean cosine with the
    task's rows.
    """

    task: np.ndarray
    value: np.ndarray
    instance: np.ndarray


def instance_values(unit: np.ndarray, task: np.ndarray, n_tasks: int) -> np.ndarray:
    """<g^, mean of g^ over the row's task>: float64 [n_rows] (TIVE, eq. 5).

    unit: unit gradients [n_rows, width]; task int [n_rows].
    """
    means, out = np.zeros((n_tasks, unit.shape[1]), np.float64), np.empty(len(unit))
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(unit), _BLOCK)]
    for rows in blocks:
        part = np.asarray(unit[rows], np.float32)
        for k in np.unique(task[rows]):
            means[k] += part[task[rows] == k].sum(0, dtype=np.float64)
    means /= np.maximum(np.bincount(task, minlength=n_tasks), 1)[:, None]
    for rows in blocks:
        out[rows] = np.einsum(
            "nd,nd->n", np.asarray(unit[rows], np.float32), means[task[rows]].astype(np.float32), dtype=np.float64
        )
    return out


def measure(signal: Signal, params: Params) -> Tasks:
    """Signal: `kept_norm` float32 [n_rows], `gradient` float16 [n_rows, width]. A task is a row's source."""
    tasks, task = np.unique(signal.task, return_inverse=True)
    counts = np.bincount(task, minlength=len(tasks))
    value = np.bincount(task, np.asarray(signal["kept_norm"], np.float64), minlength=len(tasks)) / counts
    return Tasks(task, value, instance_values(signal["gradient"], task, len(tasks)))


def weights(instance: np.ndarray, q: float) -> np.ndarray:
    """Softmax of q * instance value over a task's rows, float64, without overflow."""
    exponent = q * (instance - instance.max())
    return np.exp(exponent) / np.exp(exponent).sum()


def select(tasks: Tasks, n: int, params: Params, rng: np.random.Generator) -> Selection:
    """`n` rows in random order.

    A task's share is value / sum of values, whatever its size; what it can't fill goes to others. Within a task rows
    are drawn without replacement with p ~ exp(q * instance value).
    """
    shares = capped_shares(tasks.value, np.bincount(tasks.task, minlength=len(tasks.value)), n)
    # Gumbel trick: the largest keys are a softmax sample without replacement.
    keys = params.q * tasks.instance + rng.gumbel(size=len(tasks.task))
    chosen = [np.empty(0, np.int64)]
    for k in np.flatnonzero(shares):
        members = np.flatnonzero(tasks.task == k)
        chosen.append(members[np.argsort(-keys[members], kind="stable")[: shares[k]]])
    return Selection.of_rows(rng.permutation(np.concatenate(chosen)))


def scores(tasks: Tasks, params: Params) -> np.ndarray:
    """A row's value within its task: float64 [n_rows]."""
    return tasks.instance
