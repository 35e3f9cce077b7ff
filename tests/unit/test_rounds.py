"""What reports say of methods that choose while the model learns."""

import numpy as np
import pytest
from PIL import Image

from cadc.artifacts import Selection
from cadc.evaluation.statistics import Samples
from cadc.report import rounds

CLUSTER = np.array([0, 0, 0, 1, 1, 2])
FEATURES = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 1, 2]]
PROBE, META = np.eye(3, dtype=np.float32), np.array(["count", "read", "count"])


def test_a_cluster_is_about_what_most_of_its_rows_are_nearest_to():
    assert rounds.abilities(FEATURES, PROBE, META, CLUSTER).tolist() == ["count", "read", "count"]
    assert rounds.abilities(FEATURES[:4], PROBE, META, np.array([0, 0, 1, 3])).tolist() == ["count", "read", "", "read"]


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
    bought = Selection(
        np.array([0, 3, 4]), np.ones(3, np.float32), CLUSTER[[0, 3, 4]].astype(np.int32), np.array([1, 1, 2], np.int32)
    )
    text = rounds.page("x", bought, np.ones((2, 3, 6)), CLUSTER, ["count", "read", ""], {"rounds": "plots/x.png"})
    assert "3 answers bought, 0 of them in the warm-up and the others in 2 rounds; 2 measurements of 6 rows" in text
    assert "plots/x.png" in text and "terciles" not in text and "| 1 | read | 2 | 2 | 100.0 |" in text
    group = np.array(["count", "read", ""])[CLUSTER]
    assert rounds.shares_by_round(bought, group, ["count", "read"]).tolist() == [
        [0, 0],
        [0.5, 0.5],
        [0, 1],
    ]  # no warm-up: an empty bar, not a round moved


def test_a_benchmark_row_is_rare_where_its_cluster_is_small():
    rng = np.random.default_rng(0)
    cluster = np.repeat([0, 1], [90, 10])
    features = rng.normal(size=(100, 4)) + 6.0 * cluster[:, None]
    probe = np.array([[0.0] * 4, [6.0] * 4])
    assert rounds.gaussian_assignment(features, cluster, probe).tolist() == [0, 1]
    np.testing.assert_allclose(rounds.rarity(features, cluster, probe), -np.log([0.9, 0.1]))


def test_rank_correlation_by_hand():
    assert rounds.rank_correlation(np.array([1.0, 5, 9]), np.array([2.0, 3, 100])) == pytest.approx(1)
    assert rounds.rank_correlation(np.array([1.0, 1, 2]), np.array([2.0, 1, 0])) == pytest.approx(-np.sqrt(3) / 2)
    assert rounds.rank_correlation(np.ones(3), np.arange(3.0)) == 0


def samples(score):
    text, zeros = np.array(["mini_vqa", "mini_vqa", "mmt_val", "pope_adv"]), np.zeros(4)
    names = np.array(["a", "b", "a", "a"])
    return Samples(text, np.arange(4), names, names, zeros > 0, zeros > 0, np.array(score), np.ones(4), zeros)


def test_improvements_are_over_random_rows_by_subtask_and_form():
    made, against = rounds.improvements(
        [samples([1.0, 0, 1, 1])], [samples([0.0, 0, 1, 0])], {"a": 0.5, "a (open)": 1.5, "presence": 9.0}
    )
    assert made.tolist() == [0, 100] and [values.tolist() for values in against.values()] == [[0, 100], [0.5, 1.5]]


def test_pictures_are_drawn(tmp_path):
    rounds.draw_rounds(tmp_path / "a.png", np.array([[0.5, 0.5], [1, 0]]), ["count", "read"])
    rounds.draw_terciles(tmp_path / "b.png", np.ones((4, 3, 2)))
    rounds.draw_improvement(tmp_path / "c.png", np.array([1.0, 2]), {"x": np.array([1.0, 2]), "y": np.array([2.0, 2])})
    questions = ["how many dogs"] * 3 + ["what is written here"] * 3
    for name in ("d", "e"):
        rounds.draw_clouds(tmp_path / f"{name}.png", questions, np.repeat([0, 1], 3), [1, 0], ["1: read", "0: count"])
    assert all(Image.open(tmp_path / f"{name}.png").size[0] > 200 for name in "abcde")
    assert (tmp_path / "d.png").read_bytes() == (tmp_path / "e.png").read_bytes()
