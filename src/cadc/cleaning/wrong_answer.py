"""Wrong answers: an adapter that never saw the row is confident of another answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cadc.cleaning.evidence import Evidence
from cadc.cleaning.findings import Findings, robust_z, shown


def surprise(evidence: Evidence) -> np.ndarray:
    """How much worse an answer is predicted than the model itself expects: the mean over its tokens of -log p minus the
    entropy, in nats, float64 [n_rows].

    A hard question has a high loss for any answer, so it is not surprising. Tokens whose loss is far from the entropy
    are the atypical ones of Meister et al. 2023; the mean over tokens is ours.
    """
    return evidence.row_mean(evidence.nll - evidence.entropy)


def check(
    evidence: Evidence, keeper: np.ndarray, decode: Callable[[list[int]], str], rule: str, z: float, consensus: int
) -> Findings:
    """Rows with a wrong answer. The score is the surprise's distance above the pool's median in robust standard
    deviations.

    Rule `surprise` flags scores above `z`; `confident_joint` uses cleanlab's rule. Other rows can overrule the model:
    if at least `consensus` rows say the same about the same image (keeper int64 [n_rows]: `Copies.keeper`), none of
    them is judged, and the score is NaN. They are all in one fold, so the model has seen nothing like them and its
    surprise says little.
    """
    agreeing = np.bincount(keeper, minlength=len(keeper))[keeper] >= consensus
    distance = robust_z(np.where(agreeing, np.nan, surprise(evidence)))
    flag = distance > z if rule == "surprise" else confident_joint(evidence) & ~agreeing
    said = [""] * len(flag)
    for row in np.flatnonzero(flag):
        at = evidence.tokens(row)
        worst = at.start + int(np.argmax(evidence.nll[at] - evidence.likeliest_nll[at]))
        given, expected = (shown(decode([int(ids[worst])])) for ids in (evidence.token, evidence.likeliest))
        p = np.exp(-np.array([evidence.nll[worst], evidence.likeliest_nll[worst]], np.float64))
        said[row] = f"{given} ({p[0]:.2f}) where {expected} ({p[1]:.2f}) was predicted"
    return Findings.of(distance, flag, said)


def confident_joint(evidence: Evidence) -> np.ndarray:
    """The rows that cleanlab's rule finds: bool [n_rows] (Northcutt et al. 2021, eq. 1, each answer token is a label).

    A token is wrong if another token is at least as likely there as that token is on average where it is given.
    """
    own = np.exp(-evidence.nll.astype(np.float64))
    classes, place = np.unique(evidence.token, return_inverse=True)
    threshold = np.bincount(place, own) / np.bincount(place)
    at = np.searchsorted(classes, evidence.likeliest).clip(max=len(classes) - 1)
    known = classes[at] == evidence.likeliest  # a token that occurs in no answer has no threshold
    off = (
        (evidence.likeliest != evidence.token)
        & known
        & (np.exp(-evidence.likeliest_nll.astype(np.float64)) >= threshold[at])
    )
    return np.diff(np.concatenate([[0], np.cumsum(off)])[evidence.bounds]) > 0
