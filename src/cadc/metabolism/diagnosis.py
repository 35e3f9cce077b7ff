"""Diagnosis: what is wrong with each subtask, and one recommended action (ours).

Evidence comes from the pool and from several fine-tuned models' answers on the probe split. Scoring rows and noise
labels are not read. The rules, in order, with the thresholds of `metabolize.rules`:

    clean        at least `flagged` of the pool's rows of this kind are flagged, or at least `conflict` contradicted by
                 neighbours
    rewrite      the same, but dropping them would leave fewer than `sparse` times the usual number of rows: rows with
    an
                 accepted new answer are rewritten, copies stay
    down-sample  healthy (score >= `healthy`), with more than `dense` times the usual number of rows
    leave        healthy
    collect      fewer than `sparse` times the usual number of rows, or weak (score < `weak`), and the reserve has rows
    up-sample    the same, but the reserve has none; or at least `format` of the wrong answers break the format
    leave        otherwise: more rows would not help

The usual number is the median over subtasks. A recommendation that was rolled back before is skipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, field

import numpy as np

from cadc.cleaning.meaning import in_words, options_of
from cadc.config.metabolism import Rules
from cadc.metabolism.errors import OTHER, confusions, error_kind
from cadc.metabolism.steps import STEPS, Attribution


@dataclass(frozen=True)
class Replies:
    """The probe rows as answered by K fine-tuned models.

    question, answer [n]; chance float [n]; said [K][n]; blind [K][n], answers on a blank image; score float [K, n].
    attribution: failed steps of the wrong answers, if analysed.
    """

    question: list[str]
    answer: list[str]
    chance: np.ndarray
    said: list[list[str]]
    blind: list[list[str]]
    score: np.ndarray
    attribution: Attribution | None = None


@dataclass(frozen=True)
class Holdings:
    """The rows of pool and reserve relative to the probe rows.

    distance float [n_probe]. Pool rows: home int [n], conflict float [n] (NaN without neighbours), flagged bool [n].
    Reserve rows that may be added: reserve_home int.
    """

    distance: np.ndarray
    home: np.ndarray
    conflict: np.ndarray
    flagged: np.ndarray
    reserve_home: np.ndarray


@dataclass(frozen=True)
class Diagnosis:
    """One subtask or capability.

    score is chance-corrected. kinds: wrong answers by kind, counted over all models. confused: the most common pairs
    (correct, given, count) among those of the kind `other`. rows, usual: the pool's rows of this kind, and the median
    over all kinds. reserve: reserve rows that could be added. steps, told: wrong answers by failed step, and those
    asked again by source of the description; recommendations do not use these.
    """

    name: str
    n_probe: int
    accuracy: float
    chance: float
    score: float
    kinds: dict[str, int]
    confused: list[tuple[str, str, int]]
    distance: float
    rows: int
    usual: float
    conflict: float
    flagged: float
    reserve: int
    action: str = "leave"
    reason: str = ""
    steps: dict[str, int] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)


def group_scores(group: np.ndarray, replies: Replies) -> np.ndarray:
    """Chance-corrected score of every group of probe rows (int [n_probe], from 0), mean over models: float64
    [n_groups].
    """
    n = np.bincount(group)
    accuracy, chance = (np.bincount(group, values) / n for values in (replies.score.mean(0), replies.chance))
    return (accuracy - chance) / np.maximum(1 - chance, 1e-12)


def findings(names: list[str], group: np.ndarray, replies: Replies, holdings: Holdings) -> list[Diagnosis]:
    """The evidence for every group, without a recommendation; names[group[i]] is the group of probe row i (int
    [n_probe]).
    """
    kinds, pairs = [Counter() for _ in names], [[] for _ in names]
    for said, blind, score in zip(replies.said, replies.blind, replies.score, strict=True):
        for i in np.flatnonzero(score < 1):
            kind = error_kind(replies.question[i], replies.answer[i], said[i], blind[i])
            kinds[group[i]][kind] += 1
            if kind == OTHER:
                options = options_of(replies.question[i])
                pairs[group[i]].append((in_words(replies.answer[i], options), in_words(said[i], options)))
    rows = np.bincount(holdings.home[holdings.home >= 0], minlength=len(names))
    reserve = np.bincount(holdings.reserve_home[holdings.reserve_home >= 0], minlength=len(names))
    steps, told = _by_group(group, len(names), replies.attribution)
    scores, made = group_scores(group, replies), []
    for g, name in enumerate(names):
        probe, pool = group == g, holdings.home == g
        accuracy, chance = float(replies.score[:, probe].mean()), float(replies.chance[probe].mean())
        made.append(
            Diagnosis(
                name, int(probe.sum()), accuracy, chance, float(scores[g]), dict(kinds[g]), confusions(pairs[g]),
                float(holdings.distance[probe].mean()), int(rows[g]), float(np.median(rows)),
                float(np.nan_to_num(holdings.conflict[pool]).mean()) if pool.any() else 0.0,
                float(holdings.flagged[pool].mean()) if pool.any() else 0.0, int(reserve[g]),
                steps=dict(steps[g]), told=dict(told[g]),
            )
        )  # fmt: skip
    return made


def _by_group(group: np.ndarray, n: int, found: Attribution | None) -> tuple[list[Counter], list[Counter]]:
    """Counts of failed steps and of description sources over all models, for each of `n` groups."""
    steps, told = [Counter() for _ in range(n)], [Counter() for _ in range(n)]
    if found is not None:
        for counts, named in ((steps, found.step), (told, found.teller)):
            for own in named:
                for g, name in zip(group.tolist(), own, strict=True):
                    counts[g].update([name] if name else [])
    return steps, told


def failed_steps(found: list[Diagnosis]) -> dict[str, int]:
    """Counts of wrong answers of all subtasks by failed step."""
    return {step: sum(diagnosis.steps.get(step, 0) for diagnosis in found) for step in STEPS}


def recommend(found: Diagnosis, rules: Rules, tried: Set[tuple[str, str]] = frozenset()) -> tuple[str, str]:
    """The action for a subtask, and the reason. tried: pairs (subtask, action) that did not help."""
    clean_rows = found.rows * (1 - found.flagged)
    few, many = rules.sparse * found.usual, rules.dense * found.usual
    share = found.kinds.get("format", 0) / max(1, sum(found.kinds.values()))
    healthy, weak = found.score >= rules.healthy, found.score < rules.weak
    dirty = found.flagged >= rules.flagged or found.conflict >= rules.conflict
    spoilt = f"{found.flagged:.0%} of {found.rows} rows flagged, {found.conflict:.0%} contradicted"
    scarce, low = (
        f"{clean_rows:.0f} unflagged rows (usual: {found.usual:.0f})",
        f"score {100 * found.score:.0f}",
    )
    wanted = [
        (dirty and clean_rows < few, "rewrite", f"{spoilt}; without them only {scarce}"),
        (dirty, "clean", spoilt),
        (healthy and found.rows > many, "down-sample", f"{low}; {found.rows} rows (usual: {found.usual:.0f})"),
        (healthy, "leave", low),
        (clean_rows < few and found.reserve > 0, "collect", f"{scarce}; the reserve has {found.reserve}"),
        (weak and found.reserve > 0, "collect", f"{low}; the reserve has {found.reserve}"),
        (clean_rows < few and found.rows > 0, "up-sample", f"{scarce}; the reserve has none"),
        (share >= rules.format and found.rows > 0, "up-sample", f"{share:.0%} of the wrong answers break the format"),
        (weak and found.rows > 0, "up-sample", f"{low}; the reserve has none"),
        (True, "leave", f"{low}; covered and clean"),
    ]
    return next(
        (action, why)
        for holds, action, why in wanted
        if holds and (action == "leave" or (found.name, action) not in tried)
    )
