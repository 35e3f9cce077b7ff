"""Hallucination: words of a longer answer that the image should make likelier but does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cadc.cleaning.evidence import Evidence
from cadc.cleaning.findings import Findings, robust_z, shown


def visual_tokens(evidence: Evidence, visual: float) -> np.ndarray:
    """Which answer tokens are visual: bool [n_tokens].

    A token type is visual if its row's own image makes it likelier by `visual` nats, in the median over the pool
    (ours).
    """
    gain = evidence.gain()
    order = np.argsort(evidence.token, kind="stable")
    kinds, starts = np.unique(evidence.token[order], return_index=True)
    medians = np.array(
        [np.nanmedian(part) if np.isfinite(part).any() else 0.0 for part in np.split(gain[order], starts[1:])]
    )
    return (medians[np.searchsorted(kinds, evidence.token)] >= visual) & np.isfinite(gain)


def check(evidence: Evidence, decode: Callable[[list[int]], str], visual: float, words: int, z: float) -> Findings:
    """Rows whose visual words the image does not support.

    The score is by how many nats per visual token the image makes them less likely, NaN with fewer than `words` visual
    tokens. A row is flagged if it is more than `z` robust standard deviations above the median. As in image-contrastive
    decoding (Leng et al. 2024), but applied to given text, and with likelihoods under other images instead of a blurred
    one (ours).
    """
    gain, is_visual = evidence.gain(), visual_tokens(evidence, visual)
    counts, sums = (
        np.diff(np.concatenate([[0], np.cumsum(v, dtype=np.float64)])[evidence.bounds])
        for v in (is_visual, np.where(is_visual, gain, 0))
    )
    score = np.where(counts >= words, -sums / np.maximum(counts, 1), np.nan)
    flag = robust_z(score) > z
    said = [""] * len(flag)
    for row in np.flatnonzero(flag):
        at = evidence.tokens(row)
        ids = evidence.token[at][is_visual[at] & (gain[at] <= 0)]
        said[row] = f"not supported by the image: {shown(', '.join(decode([int(i)]).strip() for i in ids))}"
    return Findings.of(score, flag, said)
