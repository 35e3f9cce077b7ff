"""What a partition of subtasks follows: its adjusted Rand index with labels that the embedded world gives them (ours).

No label is known to a method. They say what discovered capabilities are: forms of questions, designed families,
meta-tasks, or kinds of things that are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import adjusted_rand_score

from cadc.world.subtasks import ASKED, SUBTASKS

#: How the questions of each of the embedded world's benchmarks are put; other targets are forms of their own.
FORM = {"mini_vqa": "open", "pope": "yes/no", "mmt_val": "choice", "llava_in_the_wild": "chat"}
LABELS = ("form", "family", "meta-task", "asked", "source")
_SAME = {"presence": "exist_hallucination"}  # what POPE asks is what this subtask asks
_SHUFFLES, _PERCENTILE = 200, 95

Labels = dict[str, list[str | None]]
#: ARI, and what only 5 of 100 shuffles of the same labels exceed; None where the labels do not part the subtasks.
Agreement = dict[str, float] | None


def form_of(subtask: dict) -> str:
    """How a subtask's questions are put, by its `target`."""
    return FORM.get(subtask["target"], subtask["target"])


def labels_of(subtasks: Sequence[dict]) -> Labels:
    """The `LABELS` of subtasks: each a list [S], None where a subtask has none.

    subtasks: `name`, `target`, `meta_task` and, where it is known, `source`, as in subtasks.json. *family* and *asked*
    are known of the embedded world alone; LLaVA-in-the-Wild asks for talk and has neither. Where a benchmark has a
    subtask that is none of the world's, its subtasks are not the world's, and nothing is said of both labels.
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
    """`ari`, the adjusted Rand index (Hubert and Arabie 1985) of partition int [S] with labels [S], over the subtasks
    that have one; and `shuffled`, the 95th percentile of that of shuffled labels.

    None where the labels are all alike or all different: then nothing could follow them.
    """
    at = [i for i, label in enumerate(labels) if label is not None]
    found, own = np.asarray(partition)[at], np.array([labels[i] for i in at])
    if not 1 < len(np.unique(own)) < len(own):
        return None
    rng = np.random.default_rng(seed)
    shuffled = [adjusted_rand_score(rng.permutation(own), found) for _ in range(_SHUFFLES)]
    return {"ari": float(adjusted_rand_score(own, found)), "shuffled": float(np.percentile(shuffled, _PERCENTILE))}


def agreements(subtasks: Sequence[dict], partition: Sequence[int]) -> dict[str, Agreement]:
    """The agreement of partition int [S] with each of the `LABELS`."""
    return {label: agreement(partition, own) for label, own in labels_of(subtasks).items()}
