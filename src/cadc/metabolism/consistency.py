"""Self-consistency: fine-tuned models judge rows that they were not trained on, neither directly nor through a copy. If
all of them agree, they also provide a new answer (ours).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cadc.cleaning.findings import Findings

CHECK = "wrong_answer_consistency"


def unseen(draws: Sequence[np.ndarray], keeper: np.ndarray) -> np.ndarray:
    """bool [n_models, n]: whether a model saw neither the row nor a copy of it. draws: training rows of each model;
    keeper int64 [n].
    """
    return np.stack([~np.isin(keeper, keeper[draw]) for draw in draws])


def disagreement(loss: np.ndarray, exact: np.ndarray, judges: np.ndarray, agree: int, doubt: float) -> Findings:
    """Flag rows whose answer none of the models that never saw them gives.

    loss, exact float [n_models, n]: mean loss of a row's answer tokens, and share of its answers reproduced by greedy
    decoding; NaN if a model was not asked. judges bool [n_models, n]. A row is flagged if at least `agree` judges were
    asked, none of them reproduces any of its answers, and their mean loss exceeds `doubt`. The score is that loss, NaN
    with fewer judges.
    """
    judges = judges & np.isfinite(loss)
    n = judges.sum(0)
    enough = n >= agree
    mean = np.where(judges, loss, 0).sum(0) / np.maximum(n, 1)
    none = ~(judges & (exact > 0)).any(0)
    flag = enough & none & (mean > doubt)
    evidence = [
        f"none of {k} models that never saw it gives this answer" if flagged else ""
        for k, flagged in zip(n.tolist(), flag, strict=True)
    ]
    return Findings.of(np.where(enough, mean, np.nan), flag, evidence)


def agreed(said: Sequence[Sequence[str]], judges: np.ndarray, given: Sequence[str], agree: int) -> list[str]:
    """A new answer on which all judges of a row agree; '' if they differ or fewer than `agree` were asked.

    said [n_models][n], judges bool [n_models, n].
    """
    out = []
    for i, answer in enumerate(given):
        own = [said[k][i].strip() for k in np.flatnonzero(judges[:, i]).tolist()]
        same = len(own) >= agree and len(set(own)) == 1 and own[0] not in ("", answer.strip())
        out.append(own[0] if same else "")
    return out
