"""Metabolism: planted faults are named and get the advice that mends them; updates do what was advised; what does not help is not kept."""

from dataclasses import replace

import numpy as np
import pytest

from cadc.cleaning import rewriting
from cadc.cleaning.evidence import Evidence
from cadc.cleaning.findings import Findings
from cadc.compute.endpoint import Endpoint
from cadc.config.errors import InputError
from cadc.evaluation.statistics import Samples
from cadc.metabolism import consistency, coverage
from cadc.metabolism.diagnosis import Holdings, Replies, findings, recommend
from cadc.metabolism.errors import breaks_format, confusions, error_kind, near_miss, one_edit
from cadc.metabolism.update import State, update
from cadc.metabolism.validation import validate

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
    """Six subtasks of 20 probe rows and about 100 pool rows each: one broken in form, one without rows, one whose rows contradict each other, one healthy, one healthy and
    far too large, one flagged and small.
    """
    names = ["bare", "contested", "formless", "healthy", "huge", "soiled"]
    rows = {"bare": 4, "contested": 100, "formless": 100, "healthy": 100, "huge": 900, "soiled": 40}
    flagged = {"soiled": 0.6}
    right = {"healthy": 20, "huge": 20, "contested": 10, "formless": 8, "bare": 2, "soiled": 14}
    rng, group, answer, said, blind, score, home, conflict, flags = (
        np.random.default_rng(0),
        [],
        [],
        [],
        [],
        [],
        [],
        [],
        [],
    )
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
    assert (
        "4 rows that are not flagged, 100 are usual; the reserve has 30"
        in recommend(found["bare"], params.metabolize.rules)[1]
    )


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


def test_neighbours_that_answer_otherwise_are_counted_only_with_the_same_question_and_picture():
    picture, questions = (
        np.array([0, 0, 0, 1, 0, 2, 9, 9, 9]),
        ["what color ?"] * 4 + ["what shape ?"] * 2 + ["hello"] * 3,
    )
    conflict = coverage.conflicts(
        questions, ["red", "red", "blue", "green", "star", "heart", "a", "b", "c"], picture, picture < 9
    )
    np.testing.assert_allclose(conflict.score[:3], [0.5, 0.5, 1.0])
    assert np.isnan(conflict.score[3:]).all() and np.flatnonzero(conflict.flag).tolist() == [2]
    assert conflict.evidence[2] == "2 of 2 rows with its questions and picture answer otherwise"
    assert not coverage.conflicts(["a", "a"], ["x", "y"], np.zeros(2, int), np.ones(2, bool)).flag.any()


def test_a_row_is_of_the_kind_that_its_question_is_nearest_to():
    probe = np.eye(3, dtype=np.float32)
    rows = np.array([[1, 0, 0], [0, 0.8, 0.6], [0.577, 0.577, 0.577]], np.float32)
    assert coverage.homes(rows, probe, np.array([5, 7, 9]), 0.7).tolist() == [5, 7, -1]
    assert coverage.homes(rows[:0], probe, np.array([5, 7, 9]), 0.7).tolist() == []
    np.testing.assert_allclose(coverage.distances(probe, rows, 2)[0], 1 - (1 + 0.577) / 2, atol=1e-6)


def test_models_judge_only_rows_that_they_never_saw_nor_a_copy_of():
    keeper = np.array([0, 1, 1, 3])
    judges = consistency.unseen([np.array([2]), np.array([3])], keeper)
    assert judges.tolist() == [[True, False, False, True], [True, True, True, False]]
    loss, exact = np.array([[2.0, 2.0, 2.0, 0.1], [2.0, 2.0, np.nan, 0.1]]), np.zeros((2, 4))
    assert consistency.disagreement(loss, exact, judges, 2, 1.0).flag.tolist() == [True, False, False, False]
    assert not consistency.disagreement(loss, np.array([[0.0], [0.5]]) + exact, judges, 2, 1.0).flag.any()
    said = [["blue", "blue", "x", "x"], ["blue", "green", "x", "x"]]
    assert consistency.agreed(said, np.ones((2, 4), bool), ["red", "red", "x", "red"], 2) == ["blue", "", "", "x"]
    assert consistency.agreed(said, judges, ["red"] * 4, 2) == ["blue", "", "", ""]


def test_a_rewrite_is_taken_only_if_no_check_flags_it_from_models_and_endpoint_alike(params, pool, serve, tmp_path):
    short = "what is it ?\nAnswer the question using a single word or phrase."
    rows = [[{"role": "user", "text": short}, {"role": "assistant", "text": text}] for text in ("star", "star", "star")]
    new = ["heart", "i'm sorry, but i can't see the image", "star"]
    assert rewriting.accepted(rows, np.arange(3), new, params.clean) == {0: (("star",), ("heart",))}
    assert rewriting.single_exchanges([rows[0], rows[0] * 2]).tolist() == [True, False]
    server = serve(lambda prompt, n: "heart")
    endpoint = Endpoint(server.url, "m", cache=tmp_path)
    records = pool.slice(0, 4).to_pylist()
    for _ in range(2):
        assert rewriting.asked_of(endpoint, lambda row: records[row], np.arange(4)) == ["heart"] * 4
    assert sum(server.asked.values()) == 4 and len(server.pictures) == sum(bool(record["images"]) for record in records)


def test_an_adapter_s_own_answer_is_read_off_only_where_it_parts_from_the_given_one_once():
    words = ["", "it", "is", "red", "blue", "green", "."]
    given, likeliest = [[1, 2, 3, 6], [3], [1, 2, 3, 6], [3], [3, 3]], [[1, 2, 4, 6], [5], [2, 1, 3, 6], [3], [4, 3]]
    spoken = lambda tokens: " ".join(words[token] for token in tokens)  # noqa: E731
    turns = [[{"role": "user", "text": "?"}, {"role": "assistant", "text": spoken(row)}] for row in given[:4]] + [
        [
            {"role": "user", "text": "?"},
            {"role": "assistant", "text": "Red, red"},
        ]  # not what the tokens say: it may have been cut
    ]
    bounds, zeros = np.cumsum([0, *map(len, given)]), np.zeros(sum(map(len, given)), np.float32)
    tokens = {"token": np.concatenate(given), "likeliest": np.concatenate(likeliest)}
    known = dict.fromkeys(
        ("similarity", "match", "other", "decoy", "nll", "likeliest_nll", "entropy", "blind_nll"), zeros
    )
    evidence = Evidence(bounds=bounds, fold=np.zeros(5), **tokens, **known)
    assert rewriting.judged_answers(evidence, spoken, turns, np.arange(5)) == ["it is blue .", "green", "", "", ""]


def samples(p: float, rng: np.random.Generator, n: int = 400) -> Samples:
    text = np.array(["mini_vqa"] * n)
    subtask = np.array([f"s{i % 8}" for i in range(n)])
    blank = np.zeros(n, bool)
    return Samples(
        text,
        np.arange(n),
        subtask,
        subtask,
        blank,
        blank,
        (rng.random(n) < p).astype(float),
        np.ones(n),
        np.full(n, 0.25),
    )


def test_only_what_the_probe_rows_say_is_better_is_accepted():
    rng = np.random.default_rng(1)
    before, same, better, worse = ([samples(p, rng) for _ in range(3)] for p in (0.5, 0.5, 0.62, 0.4))
    up, level, down = (validate(before, after, 0.95, 200) for after in (better, same, worse))
    assert (
        up.accepted
        and up.gain == pytest.approx(100 * (0.62 - 0.5) / 0.75, abs=5)
        and up.gain == pytest.approx(np.mean(up.by_seed))
    )
    assert not level.accepted and not down.accepted and down.gain < 0
    assert not validate(before, before, 0.95, 50).accepted
    with pytest.raises(InputError, match="different probe rows"):
        validate(before, [samples(0.5, rng, 300)] * 3, 0.95, 10)


def test_one_run_does_not_speak_for_all():
    rng = np.random.default_rng(2)
    before = [samples(0.5, rng) for _ in range(3)]
    assert not validate(before, [samples(p, rng) for p in (0.98, 0.5, 0.47)], 0.95, 200).accepted
    assert validate(before, [samples(p, rng) for p in (0.65, 0.65, 0.65)], 0.95, 200).accepted


def test_of_equal_versions_about_one_in_twenty_passes():
    rng = np.random.default_rng(1)
    passed = [
        validate([samples(0.5, rng, 200)] * 2, [samples(0.5, rng, 200)] * 2, 0.95, 40, seed).accepted
        for seed in range(60)
    ]
    assert sum(passed) <= 10
