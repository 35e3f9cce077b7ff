"""Agreement of a partition of subtasks with labels of the generated world: adjusted Rand index (ours).

No method sees these labels. They show what discovered capabilities correspond to: question forms, designed families,
meta-tasks, or types of answers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import adjusted_rand_score

from cadc.world.subtasks import ASKED, SUBTASKS

#: Question form of each benchmark of the generated world. Any other target is a form of its own.
FORM = {"mini_vqa": "open", "pope": "yes/no", "mmt_val": "choice", "llava_in_the_wild": "chat"}
LABELS = ("form", "family", "meta-task", "asked", "source")
_SAME = {"presence": "exist_hallucination"}  # POPE asks the same question as this subtask
SHUFFLES, _PERCENTILE = 200, 95

Labels = dict[str, list[str | None]]
#: `ari`, and the 95th percentile of the ARI of shuffled labels; None if the labels do not split the subtasks.
Agreement = dict[str, float] | None


def form_of(subtask: dict) -> str:
    """The question form of a subtask, by its `target`."""
    return FORM.get(subtask["target"], subtask["target"])


def labels_of(subtasks: Sequence[dict]) -> Labels:
    """The `LABELS` of subtasks: each a list [S], None where a subtask has no label.

    subtasks: `name`, `target`, `meta_task` and, if known, `source`, as in subtasks.json. *family* and *asked* exist
    only for the generated world; LLaVA-in-the-Wild has neither. If any subtask is not the world's, both labels are None
    for all subtasks.
    """
    names = [_SAME.get(name, name) for name in (one["name"].split(" (")[0] for one in subtasks)]
    embedded = all(name in SUBTASKS for name, one in zip(names, subtasks, strict=True) if form_of(one) != "chat")
    known = [name if embedded and name in SUBTASKS else None for name in names]
    return {
        "form": [form_of(one) for one in subtasks],
        "family": [name and SUBTASKS[name].group for name in known],
        "meta-task": [one["meta_task"] for one in subtasks],
        "asked": [name and ASKED[name] for name in known],
        "source": [one.get("source") for one in subtasks],
    }


def agreement(partition: Sequence[int], labels: Sequence[str | None], seed: int = 0) -> Agreement:
    """`ari`: adjusted Rand index (Hubert and Arabie 1985) of partition int [S] with labels [S], over the subtasks that
    have a label. `shuffled`: the 95th percentile of the same for shuffled labels.

    None if the labels are all equal or all different, because then no partition can agree with them.
    """
    at = [i for i, label in enumerate(labels) if label is not None]
    found, own = np.asarray(partition)[at], np.array([labels[i] for i in at])
    if not 1 < len(np.unique(own)) < len(own):
        return None
    rng = np.random.default_rng(seed)
    shuffled = [adjusted_rand_score(rng.permutation(own), found) for _ in range(SHUFFLES)]
    return {"ari": float(adjusted_rand_score(own, found)), "shuffled": float(np.percentile(shuffled, _PERCENTILE))}


def agreements(subtasks: Sequence[dict], partition: Sequence[int]) -> dict[str, Agreement]:
    """The agreement of partition int [S] with each of the `LABELS`."""
    return {label: agreement(partition, own) for label, own in labels_of(subtasks).items()}
