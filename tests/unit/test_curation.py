"""Curation: attribution, exact budgets, picks, and the order of the stages."""

import importlib.util
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadc.artifacts import Selection, load_selection, save_selection
from cadc.config.arms import Arm, Curate
from cadc.config.errors import InputError
from cadc.curation.assignment import assign, capability_budgets, in_random_order
from cadc.curation.attribution import attribute, trend
from cadc.curation.ordering import relative_slope, replayed, sequenced, stage_order
from cadc.curation.picking import clean_first, clean_rows, diverse, facility_location, purest, top, weighted
from cadc.selectors.signal import Signal


def test_attribution_with_tolerance():
    influence = np.array([[1.0, 0.95, 0.2], [0.0, 0.0, 0.0], [-1.0, -0.5, -0.45]], np.float32)
    assert attribute(influence, 0.0).tolist() == [[True, False, False], [True, True, True], [False, False, True]]
    assert attribute(influence, 0.1).tolist() == [[True, True, False], [True, True, True], [False, True, True]]
    assert (attribute(influence, 0.1).sum(1) >= attribute(influence, 0.0).sum(1)).all()


def test_trend_is_the_mean_over_a_capability_s_rows():
    serves = np.array([[True, False], [True, True], [False, False]])
    assert trend(np.array([[1.0, 3.0, 9.0]]), serves).tolist() == [[2.0, 3.0]]


def test_budgets_are_in_proportion_and_within_what_there_is():
    assert capability_budgets(np.array([1.0, 2.0]), np.array([50, 50]), 30).tolist() == [10, 20]
    assert capability_budgets(np.array([1.0, 2.0]), np.array([50, 12]), 30).tolist() == [18, 12]
    assert capability_budgets(np.array([1.0, 2.0]), np.array([50, 0]), 30).tolist() == [30, 0]
    assert capability_budgets(np.zeros(2), np.array([50, 50]), 30).tolist() == [15, 15]


def by_influence(influence):
    return lambda c, candidates, n: top(influence[:, c], candidates, n)


def test_rows_are_the_most_influential_and_ties_go_by_row():
    influence = np.array([[5, 0], [4, 0], [5, 0], [0, 2], [0, 3], [0, 3]], np.float32)
    first, second = assign(influence, attribute(influence, 0.0), np.array([2, 2]), by_influence(influence))
    assert first.tolist() == [0, 2] and second.tolist() == [4, 5]


def test_what_a_capability_can_not_fill_goes_to_the_next_and_then_to_any_row():
    influence = np.array([[5, 4], [3, 3], [1, 0], [0, 2]], np.float32)
    serves = np.array([[1, 1], [1, 1], [0, 0], [0, 1]], bool)
    chosen = assign(influence, serves, np.array([1, 1]), by_influence(influence))
    assert [rows.tolist() for rows in chosen] == [[0], [1]]  # row 0 is taken, the second has its next best
    chosen = assign(influence, serves, np.array([3, 0]), by_influence(influence))
    assert [rows.tolist() for rows in chosen] == [[0, 1], [3]]
    chosen = assign(influence, serves, np.array([3, 1]), by_influence(influence))
    assert [rows.tolist() for rows in chosen] == [[0, 1], [3, 2]]


@settings(max_examples=40, deadline=None)
@given(n=st.integers(0, 40), delta=st.sampled_from([0.0, 0.5, 100.0]), seed=st.integers(0, 99))
def test_the_total_is_exact_and_no_row_is_taken_twice(n, delta, seed):
    influence = np.random.default_rng(seed).normal(size=(40, 3)).astype(np.float32)
    serves = attribute(influence, delta)
    budgets = capability_budgets(np.array([1.0, 5.0, 2.0]), serves.sum(0), n)
    made = in_random_order(assign(influence, serves, budgets, by_influence(influence)), np.random.default_rng(seed))
    assert len(made) == made.n_unique == n and made.stage.tolist() == [0] * n


def test_no_doubtful_row_is_taken_while_another_subtask_has_clean_ones():
    weights, clean, counts = np.array([9.0, 1.0]), np.array([25, 25]), np.array([100, 100])
    assert clean_first(weights, clean, counts, 20).tolist() == [18, 2]
    assert clean_first(weights, clean, counts, 40).tolist() == [25, 15]  # held to its clean ones
    assert clean_first(weights, clean, counts, 60).tolist() == [34, 26]  # all clean ones, and ten more by weight
    assert capability_budgets(weights, counts, 40, clean).tolist() == [25, 15]
    assert capability_budgets(weights, counts, 60, clean).tolist() == [34, 26]
    own, purity = np.repeat([0, 1], 100), np.tile(np.arange(100.0), 2)[:, None] * np.ones(2)
    affinity = np.where(np.arange(2) == own[:, None], 1.0, 0.0) + 1e-3 * np.random.default_rng(0).random((200, 2))
    for n, expected in ((40, [25, 15]), (60, [34, 26])):
        rows = diverse(affinity, purity, affinity, weights, 0.25, np.arange(200), n)
        assert np.bincount(own[rows]).tolist() == expected
        if n == 40:
            assert (purity[rows, 0] >= 75).all()


def test_the_clean_rows_of_a_capability_are_those_of_its_subtasks_rounded_up():
    affinity = np.array([[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]], float)
    serves = np.array([[1, 0], [1, 0], [1, 0], [1, 0], [0, 1], [0, 1]], bool)
    capability = np.array([0, 0, 1])
    assert clean_rows(affinity, capability, serves, 0.5).tolist() == [2 + 1, 1]
    assert clean_rows(affinity, capability, serves, 1.0).tolist() == [4, 2]


def test_a_diverse_pick_serves_every_subtask_and_leaves_the_doubtful_out():
    rng = np.random.default_rng(0)
    own = np.repeat([0, 1, 2], [120, 40, 20])
    affinity = rng.normal(size=(180, 3)).astype(np.float32)
    affinity[np.arange(180), own] += 9
    purity = rng.normal(size=(180, 3)).astype(np.float32)
    doubtful = np.arange(180) % 2 == 0
    purity[doubtful] -= 9
    everything = np.arange(180)
    rows = diverse(affinity, purity, affinity, np.ones(3), 0.5, everything, 30)
    assert (
        np.bincount(own[rows]).tolist() == [10, 10, 10] and len(set(rows.tolist())) == 30 and not doubtful[rows].any()
    )
    assert np.bincount(
        own[diverse(affinity, purity, affinity, np.array([4.0, 1.0, 1.0]), 0.5, everything, 30)]
    ).tolist() == [20, 5, 5]
    assert np.bincount(own[diverse(affinity, purity, affinity, np.ones(3), 0.1, everything, 90)]).tolist() == [
        39,
        31,
        20,
    ]  # all 12, 4 and 2 clean ones, then alike; what a small one can't fill, others do
    assert np.bincount(own[diverse(affinity, purity, affinity, None, 0.5, everything, 36)]).tolist() == [24, 8, 4]
    assert sorted(diverse(affinity, purity, affinity, np.ones(3), 0.5, everything, 180).tolist()) == everything.tolist()
    assert doubtful[diverse(affinity, purity, affinity, np.ones(3), 1.0, everything, 90)].any()


def test_a_capability_of_one_subtask_is_spread_too():
    rng = np.random.default_rng(3)
    features = rng.normal(size=(60, 6)).astype(np.float32)
    features[:20] = features[0]  # twenty times the same row
    one = features[:, :1]
    rows = diverse(one, np.zeros((60, 1), np.float32), features, np.ones(1), 1.0, np.arange(60), 12)
    assert len(set(rows.tolist())) == 12 and (rows < 20).sum() <= 1


def test_facility_location_takes_one_of_each_kind_before_a_second():
    rng = np.random.default_rng(1)
    kind = np.repeat(np.arange(5), [40, 20, 10, 5, 3])
    features = 9 * np.eye(5)[kind] + 0.01 * rng.normal(size=(78, 5))
    assert sorted(kind[facility_location(features, 5)].tolist()) == [0, 1, 2, 3, 4]
    assert kind[facility_location(features, 1)].tolist() == [0]
    assert sorted(facility_location(features, 78).tolist()) == list(range(78))
    assert facility_location(np.zeros((4, 2)), 2).tolist() == [0, 1]


def test_facility_location_of_many_rows_goes_by_neighbourhoods_and_still_finds_every_kind():
    rng = np.random.default_rng(3)
    kind = np.repeat(np.arange(8), 50)
    features = 9 * np.eye(8)[kind] + 0.01 * rng.normal(size=(400, 8))
    chosen = facility_location(features, 24, most=120)
    assert len(set(chosen.tolist())) == 24 and set(kind[chosen].tolist()) == set(range(8))
    assert sorted(facility_location(features, 400, most=120).tolist()) == list(range(400))
    assert facility_location(features, 1, most=120).shape == (1,) and facility_location(
        features, 0, most=120
    ).shape == (0,)
    same = np.ones((300, 2))
    assert len(set(facility_location(same, 7, most=100).tolist())) == 7


def test_facility_location_is_greedy_s_own_choice():
    features = np.random.default_rng(2).normal(size=(30, 6))
    unit = features - features.mean(0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    similar, chosen = np.clip(unit @ unit.T, 0, None), []
    for _ in range(8):  # the plain greedy algorithm, every gain computed anew
        worth = [similar[:, [*chosen, i]].max(1).sum() if i not in chosen else -1.0 for i in range(30)]
        chosen.append(int(np.argmax(worth)))
    assert facility_location(features, 8).tolist() == chosen


def test_a_weighted_pick_prefers_influence_without_being_bound_to_it():
    influence = np.linspace(-1, 1, 400).astype(np.float32)
    rows = weighted(influence, np.arange(400), 100, np.random.default_rng(0))
    assert (
        len(set(rows.tolist())) == 100
        and influence[rows].mean() > 0.2
        and set(rows.tolist()) != set(top(influence, np.arange(400), 100).tolist())
    )


def test_falling_self_influence_comes_first():
    moves = np.array([[1.0, 3.0, 2.0], [2.0, 2.0, 2.0], [3.0, 1.0, 2.0]])
    np.testing.assert_allclose(relative_slope(moves), [0.5, -0.5, 0.0])
    rng = np.random.default_rng(0)
    assert stage_order(moves, "trend", rng).tolist() == [1, 2, 0]
    assert relative_slope(np.zeros((1, 2))).tolist() == [0, 0]
    assert stage_order(moves, "reversed", rng).tolist() == [0, 2, 1]
    assert stage_order(np.array([[3.0, 1.0, 2.0]]), "mean", rng).tolist() == [1, 2, 0]
    assert {tuple(stage_order(moves, "shuffled", rng).tolist()) for _ in range(50)} == set(permutations(range(3)))


def test_each_later_stage_replays_a_fraction_of_the_earlier_rows():
    stages = [np.arange(10), np.arange(10, 30), np.arange(30, 34)]
    out = replayed(stages, 0.5, np.random.default_rng(0))
    assert [len(s) for s in out] == [10, 20 + 5, 4 + 15]
    assert set(out[1]) - set(stages[1]) <= set(stages[0])
    assert set(out[2]) - set(stages[2]) <= set(range(30))
    assert [len(s) for s in replayed(stages, 0.0, np.random.default_rng(0))] == [10, 20, 4]


def test_any_rows_can_be_put_in_stages_with_replay(tmp_path):
    rng = np.random.default_rng(0)
    influence, self_influence = rng.normal(size=(200, 3)), rng.uniform(size=(4, 200))
    best, moves = influence.argmax(1), trend(self_influence, attribute(influence, 0.0))
    chosen = Selection.of_rows(rng.permutation(200)[:60])
    assert sequenced(chosen, best, moves, "none", 0.5, np.random.default_rng(0)) is chosen
    for sequence in ("reversed", "mean", "shuffled"):
        assert sequenced(chosen, best, moves, sequence, 0.2, np.random.default_rng(0)).n_unique == 60
    made = sequenced(chosen, best, moves, "trend", 0.5, np.random.default_rng(0))
    assert len(made) > made.n_unique == 60 and set(made.row.tolist()) == set(chosen.row.tolist())
    assert (made.capability == best[made.row]).all()
    order = stage_order(moves, "trend", np.random.default_rng(0))
    for stage in range(made.stage.max() + 1):
        now, earlier = made.stage == stage, set(made.row[made.stage < stage].tolist())
        fresh = [c for row, c in zip(made.row[now], made.capability[now], strict=True) if row not in earlier]
        assert set(fresh) == {order[stage]}
    save_selection(tmp_path / "s.parquet", made)
    loaded = load_selection(tmp_path / "s.parquet")
    assert np.array_equal(loaded.row, made.row) and np.array_equal(loaded.stage, made.stage)


def test_a_row_that_has_a_capability_keeps_it_in_its_stage():
    chosen = Selection(np.arange(4), np.ones(4, np.float32), np.array([1, 1, 0, 0], np.int32), np.zeros(4, np.int32))
    moves = np.array([[1.0, 2.0], [2.0, 1.0]])  # the second falls: it comes first
    made = sequenced(chosen, np.zeros(4, int), moves, "trend", 0.0, np.random.default_rng(0))
    assert made.capability.tolist() == [1, 1, 0, 0] and made.stage.tolist() == [0, 0, 1, 1]


def test_the_purest_rows_of_each_subtask_are_kept_ties_by_row():
    affinity = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1], [1, 0]], np.float32)
    purity = np.array([[0.1, 9], [0.5, 9], [0.5, 9], [9, 0.2], [9, 0.3], [0.4, 9]], np.float32)
    assert purest(affinity, purity, 0.5).tolist() == [1, 2, 4]
    assert purest(affinity, purity, 0.25).tolist() == [1, 4] and purest(affinity, purity, 1.0).tolist() == list(
        range(6)
    )


def test_stages_and_keep_need_capabilities():
    Curate(by="capabilities/x", keep=0.5, sequence="trend", replay=0.2)
    Curate(by="pool", keep=1.0, sequence="none", replay=0.2)
    for wrong in ({"keep": 0.5, "sequence": "none"}, {"keep": 1.0, "sequence": "trend"}):
        with pytest.raises(ValueError, match="set by to their folder"):
            Curate(by="pool", replay=0.2, **wrong)


def test_a_signal_of_some_rows_has_their_arrays_on_either_axis_and_keeps_the_others():
    arrays = {"a": np.arange(12).reshape(4, 3), "by_snapshot": np.arange(8).reshape(2, 4), "of_subtasks": np.arange(3)}
    signal = Signal(4, np.array(list("xyzw")), arrays | {"words": lambda: np.arange(4)}, ["p", "q", "r", "s"])
    part = signal.of_rows(np.array([1, 3]))
    assert part.n_rows == 2 and part.task.tolist() == ["y", "w"] and part.ids == ["q", "s"]
    assert part["a"].tolist() == [[3, 4, 5], [9, 10, 11]] and part["by_snapshot"].tolist() == [[1, 3], [5, 7]]
    assert part["of_subtasks"].tolist() == [0, 1, 2] and part["words"].tolist() == [1, 3]


@pytest.mark.parametrize("key, value", [("keep", 0.5), ("sequence", "trend")])
def test_capabilities_do_not_change_what_is_selected_during_training(key, value):
    """They would apply to the warm-up alone, and its replayed rows would count towards the budget."""
    spec = importlib.util.spec_from_file_location("stage", Path("stages/curate.py"))
    stage = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stage)
    curate = {"by": "capabilities/cadc", "keep": 1.0, "sequence": "none", "replay": 0.2} | {key: value}
    arm = Arm(method="progress", signal="embeddings", budget=0.05, seeds=[0], curate=curate, select={})
    with pytest.raises(InputError, match=f"arms.x.curate.{key}: progress .* during training; set it to"):
        stage.refuse_curation(arm, "arms.x")
