"""Metabolism: what neighbours and models say of the pool's rows, and which new answers are taken."""

import numpy as np
import pytest

from cadc.cleaning import rewriting
from cadc.cleaning.evidence import Evidence
from cadc.compute.endpoint import Endpoint
from cadc.compute.replies import EndpointError
from cadc.metabolism import consistency, coverage


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
    assert conflict.evidence[2] == "2 of 2 rows with the same questions and image have another answer"
    assert not coverage.conflicts(["a", "a"], ["x", "y"], np.zeros(2, int), np.ones(2, bool)).flag.any()


def test_steps_before_an_answer_contradict_nobody():
    ask = {"role": "user", "text": "how many ?"}
    given = ("3", "<think>\nOne lies.\nTwo run.\n</think>\n3", "<think>\nOne lies.\nOne runs.\n</think>\n2", "3 ")
    rows = [[ask, {"role": "assistant", "text": answer}] for answer in given]
    asked, answers = coverage.asked_and_given([*rows, rows[0] + rows[2]])
    assert answers == ["3", "3", "2", "3", "3 | 2"] and asked[3:] == ["how many ?", "how many ? | how many ?"]
    conflict = coverage.conflicts(asked, answers, np.zeros(5, int), np.ones(5, bool))
    assert conflict.flag.tolist() == [False, False, True, False, False]


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
        assert rewriting.asked_of(endpoint, pool, np.arange(4)) == ["heart"] * 4
    assert sum(server.asked.values()) == 4 and len(server.pictures) == sum(bool(record["images"]) for record in records)


def test_a_row_that_the_model_gives_no_answer_to_is_counted_and_costs_no_other(pool, serve, tmp_path, capsys):
    records = pool.slice(0, 3).to_pylist()
    question = records[1]["turns"][0]["text"].replace("<image>", "").strip()
    for what in ("filtered", "x" * 2001):
        server = serve(lambda prompt, n, what=what: what if question in prompt else "heart")
        answers = rewriting.asked_of(Endpoint(server.url, "m", tmp_path / what[:1]), pool, np.arange(3))
        assert answers == ["heart", "", "heart"]
        assert f"1 of 3 rows get no new answer ({records[1]['id']})" in " ".join(capsys.readouterr().out.split())


def test_where_replies_are_lacking_that_may_come_or_all_of_them_nothing_is_rewritten(pool, serve, tmp_path):
    server = serve(lambda prompt, n: "fail" if n == 1 and not server.answered else "heart")
    with pytest.raises(EndpointError, match=r"rows get no new answer \(.*HTTP 500.*Run it again"):
        rewriting.asked_of(Endpoint(server.url, "m", tmp_path, retries=0, workers=1), pool, np.arange(3))
    assert rewriting.asked_of(Endpoint(server.url, "m", tmp_path), pool, np.arange(3)) == ["heart"] * 3
    server = serve(lambda prompt, n: "filtered")
    with pytest.raises(EndpointError, match="3 of 3 rows get no new answer .*content filter.*another model"):
        rewriting.asked_of(Endpoint(server.url, "another", tmp_path), pool, np.arange(3))


def test_an_adapter_s_own_answer_is_read_off_only_where_it_parts_from_the_given_one_once():
    words = ["", "it", "is", "red", "blue", "green", "."]
    given, likeliest = [[1, 2, 3, 6], [3], [1, 2, 3, 6], [3], [3, 3]], [[1, 2, 4, 6], [5], [2, 1, 3, 6], [3], [4, 3]]
    spoken = lambda tokens: " ".join(words[token] for token in tokens)
    answers = [*(spoken(row) for row in given[:4]), "Red, red"]  # not what the tokens say: it may have been cut
    turns = [[{"role": "user", "text": "?"}, {"role": "assistant", "text": text}] for text in answers]
    bounds, zeros = np.cumsum([0, *map(len, given)]), np.zeros(sum(map(len, given)), np.float32)
    tokens = {"token": np.concatenate(given), "likeliest": np.concatenate(likeliest)}
    known = dict.fromkeys(
        ("similarity", "match", "other", "decoy", "nll", "likeliest_nll", "entropy", "blind_nll"), zeros
    )
    evidence = Evidence(bounds=bounds, fold=np.zeros(5), **tokens, **known)
    assert rewriting.judged_answers(evidence, spoken, turns, np.arange(5)) == ["it is blue .", "green", "", "", ""]
