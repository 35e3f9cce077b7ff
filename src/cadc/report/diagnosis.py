"""Tables of a diagnosis: what is wrong in each subtask and capability, and at which step wrong answers fail."""

from __future__ import annotations

from collections import Counter

from cadc.metabolism.diagnosis import Diagnosis, failed_steps
from cadc.metabolism.errors import KINDS
from cadc.metabolism.steps import MODEL, STEPS, TELLERS, WORLD
from cadc.report.text import markdown

_FAILS = [step if step == STEPS[-1] else f"fails at {step}" for step in STEPS]
_TOLD = {WORLD: "described by the world", MODEL: "described by the model"}


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def _shares(d: Diagnosis) -> list[str]:
    """Share of wrong answers by kind and by step, in percent; empty cells if no answer is wrong."""
    parts = [(d.kinds, KINDS), (d.steps, STEPS)]
    return [
        _percent(counts.get(name, 0) / sum(counts.values())) if sum(counts.values()) else ""
        for counts, names in parts
        for name in names
    ]


def _rows_held(d: Diagnosis) -> list[str]:
    """The pool's rows for a subtask or capability: distance, number of rows, conflict, flagged."""
    return [f"{d.distance:.2f}", str(d.rows), _percent(d.conflict), _percent(d.flagged)]


def diagnosis_table(found: list[Diagnosis]) -> str:
    """One line per subtask, worst first."""
    header = ["", "score", "chance", *KINDS, *_FAILS, "most confused (correct, given)", "distance", "rows", "conflict"]
    header += ["flagged", "in reserve", "recommended", "reason"]
    body = []
    for d in sorted(found, key=lambda d: (d.score, d.name)):
        pairs = ", ".join(f"{right} → {given} ({count})" for right, given, count in d.confused[:2])
        scores = [d.name.replace("_", " "), _percent(d.score), _percent(d.chance), *_shares(d), pairs]
        body.append([*scores, *_rows_held(d), str(d.reserve), d.action, d.reason])
    return markdown(header, body)


def capability_table(found: list[Diagnosis]) -> str:
    """One line per capability, in the given order."""
    header = ["", "probe rows", "score", *KINDS, *_FAILS, "distance", "rows", "conflict", "flagged"]
    body = [[d.name, str(d.n_probe), _percent(d.score), *_shares(d), *_rows_held(d)] for d in found]
    return markdown(header, body)


def steps_table(found: list[Diagnosis]) -> str:
    """Counts and shares of the steps at which wrong answers fail: all subtasks first, then one line per subtask.

    Subtasks with most wrong answers come first. "" if no answer is wrong.
    """
    told = Counter()
    for d in found:
        told.update(d.told)
    lines: list[tuple[str, dict[str, int], dict[str, int]]] = [("all", failed_steps(found), told)]
    lines += [
        (d.name.replace("_", " "), d.steps, d.told)
        for d in sorted(found, key=lambda d: (-sum(d.steps.values()), d.name))
        if d.steps
    ]
    if not sum(lines[0][1].values()):
        return ""
    body = []
    for name, steps, by in lines:
        wrong = sum(steps.values())
        cells = [f"{steps.get(step, 0)} ({_percent(steps.get(step, 0) / wrong)}%)" for step in STEPS]
        body.append([name, str(wrong), *cells, *(str(by.get(teller, 0)) for teller in TELLERS)])
    return markdown(["", "wrong answers", *STEPS, *(_TOLD[teller] for teller in TELLERS)], body)
