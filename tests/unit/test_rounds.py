"""What reports say of methods that choose while the model learns."""

import numpy as np
import pytest
from PIL import Image

from cadc.artifacts import Selection
from cadc.evaluation.statistics import Samples
from cadc.report import rounds

CLUSTER = np.array([0, 0, 0, 1, 1, 2])


def test_a_cluster_is_about_what_most_of_its_rows_are_nearest_to():
    about = np.array(["count", "count", "read", "read", "read", "count"])
    assert rounds.abilities(about, CLUSTER).tolist() == ["count", "read", "count"]
    gap = np.array([0, 0, 1, 3])
    assert rounds.abilities(about[[0, 2, 2, 3]], gap).tolist() == ["count", "read", "", "read"]  # a tie goes by name


def test_shares_of_a_round_are_its_own():
    selection = Selection(
        np.array([0, 3, 5, 4]),
        np.ones(4, np.float32),
        CLUSTER[[0, 3, 5, 4]].astype(np.int32),
        np.array([0, 0, 1, 1], np.int32),
    )
    group = np.array(["count", "read", "count"])[CLUSTER]
    assert rounds.shares_by_round(selection, group, ["count", "read"]).tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_terciles_are_those_of_the_first_measurement_that_knows_a_cluster():
    history = np.full((3, 4, 6), np.nan)
    history[1, :3, 0], history[2, :, 0] = (
        [3.0, 1.0, 2.0],
        [30.0, 10.0, 20.0, 99.0],
    )  # the last cluster was not measured at first
    history[:, :, 1] = history[:, :, 0] / 100
    made = rounds.terciles(history)
    assert (
        made[0, :, 0].tolist() == [1, 2, 3]
        and made[1, :, 0].tolist() == [10, 20, 30]
        and made[1, :, 1].tolist() == [0.1, 0.2, 0.3]
    )
    assert rounds.terciles(history[:0]).size == rounds.terciles(history[:1]).size == 0


def test_a_page_says_what_there_is_and_shows_no_picture_that_there_is_not():
    unlocked = Selection(
        np.array([0, 3, 4]), np.ones(3, np.float32), CLUSTER[[0, 3, 4]].astype(np.int32), np.array([1, 1, 2], np.int32)
    )
    text = rounds.page("x", unlocked, np.ones((2, 3, 6)), CLUSTER, ["count", "read", ""], {"rounds": "plots/x.png"})
    assert "unlocked 3 answers: 0 in the warm-up and the others in 2 rounds. It made 2 measurements of 6 rows" in text
    assert "plots/x.png" in text and "terciles" not in text and "| 1 | read | 2 | 2 | 100.0 |" in text
    group = np.array(["count", "read", ""])[CLUSTER]
    assert rounds.shares_by_round(unlocked, group, ["count", "read"]).tolist() == [
        [0, 0],
        [0.5, 0.5],
        [0, 1],
    ]  # no warm-up: an empty bar, not a round moved


def test_rank_correlation_by_hand():
    assert rounds.rank_correlation(np.array([1.0, 5, 9]), np.array([2.0, 3, 100])) == pytest.approx(1)
    assert rounds.rank_correlation(np.array([1.0, 1, 2]), np.array([2.0, 1, 0])) == pytest.approx(-np.sqrt(3) / 2)
    assert rounds.rank_correlation(np.ones(3), np.arange(3.0)) == 0


def samples(score):
    text, zeros = np.array(["mini_vqa", "mini_vqa", "mmt_val", "pope_adv"]), np.zeros(4)
    names = np.array(["a", "b", "a", "a"])
    return Samples(text, np.arange(4), names, names, zeros > 0, zeros > 0, np.array(score), np.ones(4), zeros)


def test_improvements_are_over_random_rows_by_subtask_and_form():
    first, second = samples([1.0, 0, 0, 0]), samples([0.0, 0, 1, 0])
    points, misses = rounds.improvements([samples([1.0, 0, 1, 1])], [first, second])
    assert points.tolist() == [0, 100, 0] and misses.tolist() == [100, 0, 100]  # a, a (open), b (open)
    points, misses = rounds.improvements([first], [second])
    assert points.tolist() == [-100, 100, 0] and misses.tolist() == [0, 100, 100]


def test_pictures_are_drawn(tmp_path):
    rounds.draw_rounds(tmp_path / "a.png", np.array([[0.5, 0.5], [1, 0]]), ["count", "read"])
    rounds.draw_terciles(tmp_path / "b.png", np.ones((4, 3, 2)))
    rounds.draw_improvement(tmp_path / "c.png", np.array([1.0, 2]), np.array([1.0, 2]))
    assert all(Image.open(tmp_path / f"{name}.png").size[0] > 200 for name in "abc")
