"""PROGRESS's rules as released (MyLittleChange/PROGRESS d204855), where they differ from the paper.

Differences: the change of a cluster with no correct answer before, which clusters share, rounding, exploration, and the
controls. Where the released code fails (no cluster improves; too few rows to explore) the caller fills the round
otherwise.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from cadc.model.encode import IGNORE

#: Marks in the judge's prompt, which `judged_right` parses.
VERDICT, REASON = "Answer -", "Reason -"
PRIORITY, EXPLORED = 0.9, 0.1  # shares of a round, both rounded down


def change(now: np.ndarray, before: np.ndarray, n_now: np.ndarray, over_now: bool = False) -> np.ndarray:
    """(now - before) / before, or / now: float64 [n_clusters], NaN for a cluster without a current measurement.

    now, before float64 [n_clusters], accuracies or losses, NaN if not measured; n_now: rows measured now. A cluster
    that was not measured before, or was at 0, counts as 1 / n_now before, so c correct rows are a change of c - 1.
    Losses keep the sign: a rising loss counts as progress.
    """
    earlier = np.nan_to_num(before)
    earlier = np.where(earlier == 0, 1 / np.maximum(n_now, 1), earlier)
    return (now - earlier) / (now if over_now else earlier)


def shares(changes: np.ndarray, left: np.ndarray, temperature: float | None) -> np.ndarray:
    """Each cluster's share of the prioritised rows: float64 [n_clusters], positive if it has one.

    changes float64 [n_clusters]; left int [n_clusters]: available rows. Clusters that improve and have rows left share
    by softmax of change / temperature; without a temperature, the changes themselves are returned.
    """
    p, improves = np.zeros(len(changes)), (np.nan_to_num(changes) > 0) & (left > 0)
    own = changes[improves]
    if len(own) and temperature is not None:
        weights = np.exp((own - own.max()) / temperature)
        own = np.maximum(weights / weights.sum(), np.finfo(float).tiny)  # keeps improving clusters out of exploration
    p[improves] = own
    return p


def counts(p: np.ndarray, left: np.ndarray, gap: int) -> np.ndarray:
    """Prioritised rows of each cluster in a round of `gap` rows: int64 [n_clusters]. Rounded down, at most the rows
    left; the remainder is lost. p: from `shares`."""
    total = p.sum()
    share = p if not total or np.isclose(total, 1, rtol=0, atol=1e-9) else p / total  # a softmax is already normalised
    return np.minimum((PRIORITY * gap * share).astype(np.int64), left)


def explored(gap: int) -> int:
    """Number of rows in a round that are drawn from clusters without a share."""
    return int(EXPLORED * gap)


def control(accuracy: np.ndarray, left: np.ndarray, gap: int, which: str) -> np.ndarray:
    """Clusters that a control takes completely, until a round has `gap` rows: int64, in order.

    accuracy float64 [n_clusters], ties in cluster order; left int [n_clusters]. which: `easiest`, `hardest`, `mid`
    (from the median of clusters with rows left, alternating down and up) or `easy_mid` (from the upper quartile).
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
    """Whether a judge's reply calls an answer correct: the text before its reason, without the verdict mark, must be
    just that word. Anything else counts as wrong."""
    return reply.split(REASON)[0].replace(VERDICT, "").strip().lower() == "correct"


def row_losses(logits: torch.Tensor, labels: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """Summed loss of a row's answer tokens divided by all of its text tokens, prompt included: float32 [B].

    logits [B, L, V]; labels [B, L], -100 outside answers; text bool [B, L]: no padding, one token per image. So a
    longer prompt gives a smaller loss.
    """
    losses = F.cross_entropy(
        logits[:, :-1].float().transpose(1, 2), labels[:, 1:], ignore_index=IGNORE, reduction="none"
    )
    return losses.sum(1) / text.sum(1)
