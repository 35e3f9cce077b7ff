"""Self-consistency: tuned models judge the rows that they saw neither themselves nor as a copy. Where all of them
agree, they also give another answer (ours).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cadc.cleaning.findings import Findings

CHECK = "wrong_answer_consistency"


def unseen(draws: Sequence[np.ndarray], keeper: np.ndarray) -> np.ndarray:
    """bool [n_models, n]: whether a model saw neither the row nor a copy of it. draws: the rows each was tuned on;
    keeper int64 [n].
    """
    return np.stack([~np.isin(keeper, keeper[draw]) for draw in draws])


def disagreement(loss: np.ndarray, exact: np.ndarray, judges: np.ndarray, agree: int, doubt: float) -> Findings:
    """Rows whose answer is given by none of the models that never saw them.

    loss, exact float [n_models, n]: mean loss of a row's answer tokens, and share of its answers that greedy decoding
    gives; NaN where a model was not asked. judges bool [n_models, n]. A row is flagged if at least `agree` judges were
    asked, none of them gives any of its answers, and their mean loss is above `doubt`. The score is that loss, NaN with
    fewer judges.
    """
    judges = judges & np.isfinite(loss)
    n = judges.sum(0)
    enough = n >= agree
    mean = np.where(judges, loss, 0).sum(0) / np.maximum(n, 1)
    none = ~(judges & (exact > 0)).any(0)
    flag = enough & none & (mean > doubt)
    evidence = [
        f"none of {k} models that never saw it answers so" if flagged else ""
        for k, flagged in zip(n.tolist(), flag, strict=True)
    ]
    return Findings.of(np.where(enough, mean, np.nan), flag, evidence)


def agreed(said: Sequence[Sequence[str]], judges: np.ndarray, given: Sequence[str], agree: int) -> list[str]:
    """The other answer that all judges of a row give: '' where they differ, or where fewer than `agree` were asked.

    said [n_models][n], judges bool [n_models, n].
    """
    out = []
    for i, answer in enumerate(given):
        own = [said[k][i].strip() for k in np.flatnonzero(judges[:, i]).tolist()]
        same = len(own) >= agree and len(set(own)) == 1 and own[0] not in ("", answer.strip())
        out.append(own[0] if same else "")
    return out
