"""How a pool covers the probe rows: the kind of each row, how near rows lie, and whether neighbours answer alike
(ours).
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from cadc.cleaning.answer_format import final_answer
from cadc.cleaning.findings import Findings
from cadc.selectors.shared.knn import matches


def homes(rows: np.ndarray, probe: np.ndarray, group: np.ndarray, near: float) -> np.ndarray:
    """The kind of each row: the group (int [n_probe], from 0) of the probe row with the nearest question, int32 [n]; -1
    where none has a cosine of `near`.

    rows float32 [n, d], probe float32 [n_probe, d]: unit embeddings of questions.
    """
    if not len(rows):
        return np.empty(0, np.int32)
    index, cosine = matches(rows, probe, 1)
    return np.where(cosine[:, 0] >= near, group[index[:, 0]], -1).astype(np.int32)


def distances(probe: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """Mean cosine distance of each probe row to the k nearest pool rows, by question and image alike: float64
    [n_probe], in [0, 2].

    probe, rows: unit rows that have both views side by side, each of length 1 / sqrt(2).
    """
    return 1 - matches(probe, rows, k)[1].mean(1)


def asked_and_given(turns: list[list[dict]]) -> tuple[list[str], list[str]]:
    """What each row asks and what it answers, a text each: answers without their steps, which contradict nobody."""
    asked = [" | ".join(turn["text"] for turn in row[::2]) for row in turns]
    return asked, [" | ".join(final_answer(turn["text"]) for turn in row[1::2]) for row in turns]


def conflicts(questions: list[str], answers: list[str], picture: np.ndarray, has_image: np.ndarray) -> Findings:
    """Rows whose neighbours answer otherwise. Neighbours have the same questions and pictures that look the same.

    picture int64 [n]: the group of a row's pictures; has_image bool [n]: rows without one have no neighbours. The score
    is the share of neighbours that answer otherwise, NaN without any. A row is flagged if it has at least two
    neighbours and more than half of them do.
    """
    groups: dict[tuple[str, int], list[int]] = {}
    for row in np.flatnonzero(has_image).tolist():
        groups.setdefault((questions[row], int(picture[row])), []).append(row)
    share, evidence = np.full(len(questions), np.nan, np.float32), [""] * len(questions)
    for members in groups.values():
        if len(members) > 1:
            same = Counter(answers[row] for row in members)
            for row in members:
                other, n = len(members) - same[answers[row]], len(members) - 1
                share[row] = other / n
                evidence[row] = (
                    f"{other} of {n} rows with its questions and picture answer otherwise"
                    if n > 1 and other > n / 2
                    else ""
                )
    return Findings.of(share, [bool(said) for said in evidence], evidence)
