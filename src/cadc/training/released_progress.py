"""PROGRESS's rules as its authors released them (MyLittleChange/PROGRESS d204855), where they are not the paper's.

They differ in the change of a cluster that was not right before, in who shares, in rounding, in exploration and in the
controls. Where the released code ends in an error (no cluster improves; too few rows to explore) the caller fills the
round otherwise.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from cadc.model.encode import IGNORE

#: What the judge model is told, and what `judged_right` reads.
VERDICT, REASON = "Answer -", "Reason -"
PRIORITY, EXPLORED = 0.9, 0.1  # of a round, both rounded down


def change(now: np.ndarray, before: np.ndarray, n_now: np.ndarray, over_now: bool = False) -> np.ndarray:
    """(now - before) / before, or / now: float64 [n_clusters], NaN where a cluster was not measured now.

    now, before float64 [n_clusters], accuracies or losses, NaN where not measured; n_now: rows measured now. A cluster
    that was not measured before, or was at 0, counts as 1 / n_now before: c right rows are then a change of c - 1. The
    sign is not turned for losses: one that rises counts as progress.
    """
    earlier = np.nan_to_num(before)
    earlier = np.where(earlier == 0, 1 / np.maximum(n_now, 1), earlier)
    return (now - earlier) / (now if over_now else earlier)


def shares(changes: np.ndarray, left: np.ndarray, temperature: float | None) -> np.ndarray:
    """Each cluster's share of the prioritised rows: float64 [n_clusters], above 0 where it has one.

    changes float64 [n_clusters]; left int [n_clusters]: rows that may be taken. Clusters that improve and have some
    left share by softmax of change / temperature; without a temperature their changes stand as they are.
    """
    p, improves = np.zeros(len(changes)), (np.nan_to_num(changes) > 0) & (left > 0)
    own = changes[improves]
    if len(own) and temperature is not None:
        weights = np.exp((own - own.max()) / temperature)
        own = np.maximum(weights / weights.sum(), np.finfo(float).tiny)  # a cluster that improves is not explored
    p[improves] = own
    return p


def counts(p: np.ndarray, left: np.ndarray, gap: int) -> np.ndarray:
    """Prioritised rows of each cluster in a round of `gap` rows: int64 [n_clusters]. Rounded down, at most what is
    left; what that leaves open is lost. p as `shares` gives it."""
    total = p.sum()
    share = p if not total or np.isclose(total, 1, rtol=0, atol=1e-9) else p / total  # softmax stays as it is
    return np.minimum((PRIORITY * gap * share).astype(np.int64), left)


def explored(gap: int) -> int:
    """Rows of a round that are drawn from clusters without a share."""
    return int(EXPLORED * gap)


def control(accuracy: np.ndarray, left: np.ndarray, gap: int, which: str) -> np.ndarray:
    """Clusters that a control takes, whole, until a round has `gap` rows: int64, in their order.

    accuracy float64 [n_clusters], ties as they stand; left int [n_clusters]. which: `easiest`, `hardest`, `mid` (from
    the median of those that have rows left on, one down and one up in turn) or `easy_mid` (from the upper quartile on).
    """
    known = np.flatnonzero(np.isfinite(accuracy) & (left > 0))
    if which in ("easiest", "hardest"):
        order = known[np.argsort(accuracy[known] * (-1 if which == "easiest" else 1), kind="stable")]
    else:
        rising = known[np.argsort(accuracy[known], kind="stable")]
        start = len(rising) // 2 if which == "mid" else len(rising) * 3 // 4
        distance = np.arange(len(rising)) - start
        order = rising[np.lexsort((distance > 0, np.abs(distance)))]
    return order[: np.searchsorted(np.cumsum(left[order]), gap) + 1]


def judged_right(reply: str) -> bool:
    """Whether a judge's reply says that an answer is right: what stands before its reason, less the mark of a verdict,
    is the word alone. Whatever else it says is wrong."""
    return reply.split(REASON)[0].replace(VERDICT, "").strip().lower() == "correct"


def row_losses(logits: torch.Tensor, labels: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """Summed loss of a row's answer tokens over all of its text tokens, prompt included: float32 [B].

    logits [B, L, V]; labels [B, L], -100 outside answers; text bool [B, L]: no padding, and of a picture one token. So
    a longer prompt makes a smaller loss.
    """
    losses = F.cross_entropy(
        logits[:, :-1].float().transpose(1, 2), labels[:, 1:], ignore_index=IGNORE, reduction="none"
    )
    return losses.sum(1) / text.sum(1)
