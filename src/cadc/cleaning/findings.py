"""The result type of every check. Thresholds come from the pool's own distribution, never from its labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cadc.data.wording import IMAGE_TOKEN

SHOWN = 80  # maximum characters of an answer quoted as evidence


@dataclass(frozen=True)
class Findings:
    """One check's result for every row.

    score float32 [n], higher is worse, NaN if the check does not apply. flag bool [n]. evidence: n short texts that
    explain the flag to a person, '' if there is none.
    """

    score: np.ndarray
    flag: np.ndarray
    evidence: list[str]

    @classmethod
    def of(cls, score, flag, evidence) -> Findings:
        return cls(np.asarray(score, np.float32), np.asarray(flag, bool), list(evidence))


def shown(text: str) -> str:
    """The beginning of a text on one line."""
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def questions_and_answers(turns: list[dict[str, str]]) -> list[tuple[str, str]]:
    """The exchanges of a row: [(question, answer)], without `<image>`."""
    texts = [turn["text"].replace(IMAGE_TOKEN, " ").strip() for turn in turns]
    return list(zip(texts[::2], texts[1::2], strict=True))


def robust_z(values: np.ndarray) -> np.ndarray:
    """Distance from the median in robust standard deviations, 1.4826 * the median absolute deviation: float64 [n], NaN
    kept.

    If more than half of the values are identical, only the deviations of the others count.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return np.full(len(values), np.nan)
    middle = np.median(known)
    away = np.abs(known - middle)
    spread = np.median(away) or (np.median(away[away > 0]) if away.any() else 1.0)
    return (values - middle) / (1.4826 * spread)
