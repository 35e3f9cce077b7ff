"""Metabolism: planted faults are named and get the advice that mends them; updates do what was advised."""

from dataclasses import replace

import numpy as np
import pytest

from cadc.cleaning.findings import Findings
from cadc.metabolism.diagnosis import Holdings, Replies, findings, recommend
from cadc.metabolism.errors import breaks_format, confusions, error_kind, near_miss, one_edit
from cadc.metabolism.update import State, update

COLORS = ("red", "blue", "green", "white")

CHOICE = "Question: what color is it ?\nA: red\nB: blue\nC: 3\nD: 4\nAnswer with the option's letter."


@pytest.mark.parametrize(
    ("question", "answer", "said", "blind", "kind"),
    [
        (CHOICE, "A", "the picture", "A", "format"),
        (CHOICE, "A", "E", "E", "format"),
        (CHOICE, "A", "B.", "A", "other"),
        (CHOICE, "C", "D", "A", "near miss"),
        (CHOICE, "A", "B", "B", "no image"),
        ("is it red ?", "yes", "red", "", "format"),
        ("is it red ?", "yes", "No, it is not", "Yes", "other"),
        ("how many ?", "7", "8", "1", "near miss"),
        ("how many ?", "7", "9", "1", "other"),
        ("what is it ?", "heart", "hear", "", "near miss"),
        ("what is it ?", "heart", "", "", "format"),
        ("what is it ?", "heart", "i can see one big red star there", "", "format"),
    ],
)
def test_a_wrong_answer_s_kind(question, answer, said, blind, kind):
    assert error_kind(question, answer, said, blind) == kind


def test_one_edit_is_levenshtein_s_distance_of_one():
    def distance(a, b):
        table = np.arange(len(b) + 1)
        for i, x in enumerate(a, 1):
            table[0], before = i, table.copy()
            for j, y in enumerate(b, 1):
                table[j] = min(before[j] + 1, table[j - 1] + 1, before[j - 1] + (x != y))
        return table[-1]

    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("ab"), rng.integers(0, 5))) for _ in range(60)]
    assert all(one_edit(a, b) == (distance(a, b) == 1) for a in words for b in words)
    assert not near_miss("up", "us") and not breaks_format("B: blue", {"A": "red", "B": "blue"}, False)
    assert confusions([("left", "right")] * 3 + [("up", "down")]) == [("left", "right", 3), ("up", "down", 1)]


def planted() -> tuple[list[str], np.ndarray, Replies, Holdings]:
    """Six subtasks of 20 probe rows and about 100 pool rows each.

    One is broken in form, one without rows, one has rows that contradict each other, one is healthy, one healthy and
    far too large, one flagged and small.
    """
    names = ["bare", "contested", "formless", "healthy", "huge", "soiled"]
    rows = {"bare": 4, "contested": 100, "formless": 100, "healthy": 100, "huge": 900, "soiled": 40}
    flagged = {"soiled": 0.6}
    right = {"healthy": 20, "huge": 20, "contested": 10, "formless": 8, "bare": 2, "soiled": 14}
    rng = np.random.default_rng(0)
    group, answer, said, blind, score, home, conflict, flags = ([] for _ in range(8))
    for g, name in enumerate(names):
        for i in range(20):
            given = COLORS[i % 4]
            hit = i < right[name]
            group.append(g)
            answer.append(given)
            said.append(
                given if hit else "there is no telling what it might be" if name == "formless" else COLORS[(i + 1) % 4]
            )
            blind.append("none")
            score.append(float(hit))
        home += [g] * rows[name]
        conflict += [0.5 if name == "contested" else 0.0] * rows[name]
        flags += (rng.permutation(rows[name]) < flagged.get(name, 0) * rows[name]).tolist()
    n = len(group)
    replies = Replies(["what color is it ?"] * n, answer, np.zeros(n), [said], [blind], np.array([score]))
    held = Holdings(np.full(n, 0.1), np.array(home), np.array(conflict), np.array(flags), np.repeat([0, 2], [30, 50]))
    return names, np.array(group), replies, held


def test_planted_faults_get_the_advice_that_mends_them(params):
    found = {diagnosis.name: diagnosis for diagnosis in findings(*planted())}
    advice = {name: recommend(diagnosis, params.metabolize.rules)[0] for name, diagnosis in found.items()}
    assert advice == {
        "bare": "collect",
        "contested": "clean",
        "formless": "collect",
        "healthy": "leave",
        "huge": "down-sample",
        "soiled": "rewrite",
    }
    assert found["formless"].kinds == {"format": 12}
    assert found["contested"].confused[0] == ("green", "white", 3) and found["contested"].kinds == {"other": 10}
    assert "50% contradicted" in recommend(found["contested"], params.metabolize.rules)[1]
    assert "4 unflagged rows (usual: 100); the reserve has 30" in recommend(found["bare"], params.metabolize.rules)[1]


def test_without_a_reserve_what_is_seen_too_seldom_is_shown_more_often_and_what_did_not_help_is_not_tried_again(params):
    names, group, replies, held = planted()
    found = {
        d.name: d
        for d in findings(
            names, group, replies, Holdings(held.distance, held.home, held.conflict, held.flagged, np.empty(0, int))
        )
    }
    rules = params.metabolize.rules
    assert recommend(found["formless"], rules) == ("up-sample", "100% of the wrong answers break the format")
    assert recommend(found["bare"], rules)[0] == "up-sample"
    tried = {("contested", "clean"), ("huge", "down-sample"), ("bare", "up-sample"), ("soiled", "rewrite")}
    advice = {name: recommend(diagnosis, rules, tried)[0] for name, diagnosis in found.items()}
    assert advice == {
        "bare": "leave",
        "contested": "up-sample",
        "formless": "up-sample",
        "healthy": "leave",
        "huge": "leave",
        "soiled": "clean",
    }


def test_an_update_does_what_was_advised_and_nothing_else(params):
    names, group, replies, held = planted()
    rules = params.metabolize.rules
    found = findings(names, group, replies, held)
    found = [replace(d, action=action, reason=why) for d in found for action, why in [recommend(d, rules)]]
    ids, reserve = [f"{i:06d}" for i in range(len(held.home))], [f"reserve:{i:03d}" for i in range(80)]
    flags = {
        "wrong_answer": Findings.of(
            held.flagged, held.flagged, ["sure of another" if flag else "" for flag in held.flagged]
        )
    }
    soiled = np.flatnonzero((held.home == 5) & held.flagged)
    state = State(
        ids, held.home, flags, reserve, held.reserve_home, {int(row): (("red",), ("blue",)) for row in soiled[:7]}
    )
    changes = update(state, found, 3, rules, np.random.default_rng(0))
    by_action = {action: [c for c in changes if c.action == action] for action in ("drop", "add", "rewrite")}
    home = dict(zip(ids, held.home.tolist(), strict=True))
    assert [home[c.row] for c in by_action["drop"]] == [4] * (900 - 400) + [5] * (len(soiled) - 7)
    assert [c.row for c in by_action["rewrite"]] == [ids[row] for row in soiled[:7]] and by_action["rewrite"][
        0
    ].after == ("blue",)
    assert (
        sum(int(c.source[8:]) < 30 for c in by_action["add"]) == 30
        and sum(int(c.source[8:]) >= 30 for c in by_action["add"]) == 50
    )
    assert {c.version for c in changes} == {3} and all("sure of another" in c.reason for c in by_action["rewrite"])
    assert (
        changes
        == update(state, found, 3, rules, np.random.default_rng(0))
        != update(state, found, 3, rules, np.random.default_rng(1))
    )


def test_up_sampling_copies_rows_that_are_not_flagged_once_each(params):
    names, group, replies, held = planted()
    only = [
        replace(d, action="up-sample" if d.name == "soiled" else "leave") for d in findings(names, group, replies, held)
    ]
    ids = [f"{i:06d}" for i in range(len(held.home))]
    flags = {"wrong_answer": Findings.of(held.flagged, held.flagged, [""] * len(ids))}
    changes = update(
        State(ids, held.home, flags, [], np.empty(0, int), {}),
        only,
        1,
        params.metabolize.rules,
        np.random.default_rng(0),
    )
    clean = {ids[row] for row in np.flatnonzero((held.home == 5) & ~held.flagged)}
    assert (
        {c.source for c in changes} == clean
        and len(changes) == len(clean)
        and all(c.row == c.source + "~1" for c in changes)
    )
