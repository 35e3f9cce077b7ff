"""Coverage of the probe rows by a pool: the kind of each row, distances, and whether neighbours give the same answer
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
    if no cosine reaches `near`.

    rows float32 [n, d], probe float32 [n_probe, d]: unit embeddings of questions.
    """
    if not len(rows):
        return np.empty(0, np.int32)
    index, cosine = matches(rows, probe, 1)
    return np.where(cosine[:, 0] >= near, group[index[:, 0]], -1).astype(np.int32)


def distances(probe: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """Mean cosine distance of each probe row to the k nearest pool rows, by question and image: float64 [n_probe], in
    [0, 2].

    probe, rows: unit rows with both views concatenated, each of length 1 / sqrt(2).
    """
    return 1 - matches(probe, rows, k)[1].mean(1)


def asked_and_given(turns: list[list[dict]]) -> tuple[list[str], list[str]]:
    """The questions and the answers of each row, one text each. Reasoning steps are removed from answers."""
    asked = [" | ".join(turn["text"] for turn in row[::2]) for row in turns]
    return asked, [" | ".join(final_answer(turn["text"]) for turn in row[1::2]) for row in turns]


def conflicts(questions: list[str], answers: list[str], picture: np.ndarray, has_image: np.ndarray) -> Findings:
    """Rows that contradict their neighbours. Neighbours have the same questions and similar-looking images.

    picture int64 [n]: the group of a row's images; has_image bool [n]: rows without an image have no neighbours. The
    score is the share of neighbours with another answer, NaN without neighbours. A row is flagged if it has at least
    two neighbours and more than half of them have another answer.
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
                    f"{other} of {n} rows with the same questions and image have another answer"
                    if n > 1 and other > n / 2
                    else ""
                )
    return Findings.of(share, [bool(said) for said in evidence], evidence)
