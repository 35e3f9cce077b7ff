"""Selectors: exact budgets, stable order, no row twice but in replay, and CADC's three rules."""

import importlib
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadc.artifacts import load_selection, save_selection
from cadc.capabilities.attribution import affinity, capability_influence, purity
from cadc.curation.attribution import attribute, trend
from cadc.curation.ordering import relative_slope, replayed, sequenced, stage_order
from cadc.curation.picking import clean_first, diverse, facility_location, top, weighted
from cadc.selectors.cadc import Params, assign, capability_budgets
from cadc.selectors.signal import Signal

METHODS = ("cadc", "random", "task_budget_random", "full")


def signal(n=200, k=3, seed=0, constant=False):
    rng = np.random.default_rng(seed)
    influence = np.zeros((n, k), np.float32) if constant else rng.normal(size=(n, k)).astype(np.float32)
    affinity = np.repeat(influence, 2, axis=1) + rng.normal(size=(n, 2 * k)).astype(np.float32) * (not constant)
    purity = rng.normal(size=(n, 2 * k)).astype(np.float32) * (not constant)
    capability = np.repeat(np.arange(k, dtype=np.int32), 2)
    arrays = {
        "influence": influence,
        "affinity": affinity,
        "purity": purity,
        "capability": capability,
        "weight": np.ones(2 * k),
    }
    task = rng.choice(["a", "a", "a", "b", "c"], size=n)
    return Signal(n, task, arrays | {"self_influence": rng.uniform(size=(4, n)).astype(np.float32)})


def select(method, given, n, seed=0, **changes):
    module = importlib.import_module(f"cadc.selectors.{method}")
    defaults = {"delta": 0.1, "budget_rule": "self_influence", "pick": "top", "keep": 0.3} if method == "cadc" else {}
    return module.select(given, n, module.Params(**(defaults | changes)), np.random.default_rng(seed))


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 200), k=st.integers(1, 6), constant=st.booleans())
def test_budgets_are_exact_and_results_repeat(method, n, k, constant):
    n = 200 if method == "full" else n
    made, again = (select(method, signal(k=k, constant=constant), n) for _ in range(2))
    assert made.n_unique == n and made.row.min() >= 0 and made.row.max() < 200
    assert all(np.array_equal(getattr(made, f), getattr(again, f)) for f in ("row", "weight", "capability", "stage"))
    assert (np.diff(made.stage) >= 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_seeds_matter(method):
    assert not np.array_equal(select(method, signal(), 100).row, select(method, signal(), 100, seed=1).row)


def test_task_budgets_are_equal_and_a_small_task_passes_its_share_on():
    given = Signal(100, np.array(["a"] * 90 + ["b"] * 8 + ["c"] * 2))
    rows = select("task_budget_random", given, 30).row
    assert np.unique(given.task[rows], return_counts=True)[1].tolist() == [20, 8, 2]


def test_attribution_with_tolerance():
    influence = np.array([[1.0, 0.95, 0.2], [0.0, 0.0, 0.0], [-1.0, -0.5, -0.45]], np.float32)
    assert attribute(influence, 0.0).tolist() == [[True, False, False], [True, True, True], [False, False, True]]
    assert attribute(influence, 0.1).tolist() == [[True, True, False], [True, True, True], [False, True, True]]
    assert (attribute(influence, 0.1).sum(1) >= attribute(influence, 0.0).sum(1)).all()


def test_budgets_follow_self_influence():
    trends = np.array([[1.0, 3.0], [1.0, 1.0]])
    assert capability_budgets(trends, np.array([50, 50]), np.array([3, 2]), 30, "self_influence").tolist() == [10, 20]
    assert capability_budgets(trends, np.array([50, 50]), np.array([3, 2]), 30, "equal").tolist() == [15, 15]
    assert capability_budgets(trends, np.array([50, 50]), np.array([4, 1]), 30, "targets").tolist() == [24, 6]
    assert capability_budgets(trends, np.array([20, 40]), np.array([4, 1]), 30, "pool").tolist() == [10, 20]
    assert capability_budgets(trends, np.array([50, 12]), np.array([3, 2]), 30, "self_influence").tolist() == [18, 12]
    assert capability_budgets(trends, np.array([50, 0]), np.array([3, 2]), 30, "self_influence").tolist() == [30, 0]


def test_rows_are_the_most_influential_and_ties_go_by_row():
    influence = np.array([[5, 0], [4, 0], [5, 0], [0, 2], [0, 3], [0, 3]], np.float32)
    given = Signal(6, np.array(["a"] * 6), {"influence": influence})
    first, second = assign(
        given,
        attribute(influence, 0.0),
        np.array([2, 2]),
        Params(delta=0, budget_rule="equal", pick="top", keep=1),
        np.random.default_rng(0),
    )
    assert first.tolist() == [0, 2] and second.tolist() == [4, 5]


def test_falling_self_influence_comes_first():
    moves = np.array([[1.0, 3.0, 2.0], [2.0, 2.0, 2.0], [3.0, 1.0, 2.0]])
    np.testing.assert_allclose(relative_slope(moves), [0.5, -0.5, 0.0])
    rng = np.random.default_rng(0)
    assert stage_order(moves, "trend", rng).tolist() == [1, 2, 0]
    assert relative_slope(np.zeros((1, 2))).tolist() == [0, 0]
    assert stage_order(moves, "reversed", rng).tolist() == [0, 2, 1]
    assert stage_order(np.array([[3.0, 1.0, 2.0]]), "mean", rng).tolist() == [1, 2, 0]
    assert {tuple(stage_order(moves, "shuffled", rng).tolist()) for _ in range(50)} == set(permutations(range(3)))


def test_trend_is_the_mean_over_a_capability_s_rows():
    serves = np.array([[True, False], [True, True], [False, False]])
    assert trend(np.array([[1.0, 3.0, 9.0]]), serves).tolist() == [[2.0, 3.0]]


def test_each_later_stage_replays_a_fraction_of_the_earlier_rows():
    stages = [np.arange(10), np.arange(10, 30), np.arange(30, 34)]
    out = replayed(stages, 0.5, np.random.default_rng(0))
    assert [len(s) for s in out] == [10, 20 + 5, 4 + 15]
    assert set(out[1]) - set(stages[1]) <= set(stages[0])
    assert set(out[2]) - set(stages[2]) <= set(range(30))
    assert [len(s) for s in replayed(stages, 0.0, np.random.default_rng(0))] == [10, 20, 4]


@pytest.mark.parametrize("method", ["cadc", "random"])
def test_any_method_s_rows_can_be_put_in_stages_with_replay(method, tmp_path):
    given, chosen = signal(), select(method, signal(), 60)
    best, moves = given["influence"].argmax(1), trend(given["self_influence"], attribute(given["influence"], 0.0))
    assert sequenced(chosen, best, moves, "none", 0.5, np.random.default_rng(0)) is chosen
    made = sequenced(chosen, best, moves, "trend", 0.5, np.random.default_rng(0))
    assert len(made) > made.n_unique == 60 and set(made.row.tolist()) == set(chosen.row.tolist())
    assert (made.capability == best[made.row]).all() or method == "cadc"
    order = stage_order(moves, "trend", np.random.default_rng(0))
    for stage in range(made.stage.max() + 1):
        earlier = set(made.row[made.stage < stage])
        fresh = [
            c
            for row, c, s in zip(made.row, made.capability, made.stage, strict=True)
            if s == stage and row not in earlier
        ]
        assert set(fresh) == {order[stage]}
    save_selection(tmp_path / "s.parquet", made)
    loaded = load_selection(tmp_path / "s.parquet")
    assert np.array_equal(loaded.row, made.row) and np.array_equal(loaded.stage, made.stage)


def test_values_out_of_range_are_refused():
    for change in ({"delta": -1}, {"budget_rule": "random"}, {"pick": "best"}, {"keep": 0}, {"tau": 1}):
        with pytest.raises(ValueError):
            Params(**({"delta": 0, "budget_rule": "equal", "pick": "top", "keep": 0.5} | change))


@pytest.mark.parametrize("pick", ["top", "weighted", "diverse"])
@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 200), k=st.integers(1, 6), constant=st.booleans(), delta=st.sampled_from([0.0, 0.1, 100.0]))
def test_every_pick_fills_the_budget_exactly(pick, n, k, constant, delta):
    given = signal(k=k, constant=constant)
    made = select("cadc", given, n, pick=pick, delta=delta)
    assert len(made) == made.n_unique == n and made.stage.max() == 0
    moves = trend(given["self_influence"], attribute(given["influence"], 0.0))
    for sequence in ("trend", "reversed", "mean", "shuffled"):
        assert (
            sequenced(made, given["influence"].argmax(1), moves, sequence, 0.2, np.random.default_rng(0)).n_unique == n
        )


@pytest.mark.parametrize("pick", ["top", "diverse"])
def test_permuting_the_pool_permutes_the_selection_and_nothing_else(pick):
    given, order = signal(), np.random.default_rng(5).permutation(200)
    by_row = {name: given[name][order] for name in ("influence", "affinity", "purity")} | {
        "self_influence": given["self_influence"][:, order]
    }
    moved = Signal(200, given.task[order], {**given.arrays, **by_row})
    rows, again = (set(select("cadc", g, 60, pick=pick).row.tolist()) for g in (given, moved))
    assert rows == {int(order[row]) for row in again}


def test_scaling_all_gradients_changes_no_selection():
    rng, gram = np.random.default_rng(9), np.repeat(np.eye(6)[None], 2, 0)
    influence, norm, self_influence = (
        rng.normal(size=(2, 200, 6)),
        rng.uniform(1, 2, size=(2, 200)),
        rng.uniform(size=(2, 200)),
    )
    capability = np.array([0, 0, 0, 1, 1, 2], np.int32)

    def rows(scale):
        about = affinity(scale * influence, scale * norm, gram, np.ones(2))
        clean = purity(scale * influence, scale * norm, gram)
        on = capability_influence(scale * influence, scale * norm, gram, np.ones(2), capability, True)
        arrays = {"influence": on, "affinity": about, "purity": clean, "capability": capability, "weight": np.ones(6)}
        given = Signal(
            200, np.array(["a"] * 200), arrays | {"self_influence": (scale**2 * self_influence).astype(np.float32)}
        )
        return {pick: select("cadc", given, 60, pick=pick).row.tolist() for pick in ("top", "diverse")}

    assert rows(1.0) == rows(8.0)


def test_no_doubtful_row_is_taken_while_another_subtask_has_clean_ones():
    weights, clean, counts = np.array([9.0, 1.0]), np.array([25, 25]), np.array([100, 100])
    assert clean_first(weights, clean, counts, 20).tolist() == [18, 2]
    assert clean_first(weights, clean, counts, 40).tolist() == [25, 15]  # held to its clean ones
    assert clean_first(weights, clean, counts, 60).tolist() == [34, 26]  # all clean ones, and ten more by weight
    trends = np.array([[1.0, 2.0]])
    assert capability_budgets(trends, counts, weights, 40, "targets", clean).tolist() == [25, 15]
    assert capability_budgets(trends, counts, weights, 60, "targets", clean).tolist() == [34, 26]
    own, purity = np.repeat([0, 1], 100), np.tile(np.arange(100.0), 2)[:, None] * np.ones(2)
    affinity = np.where(np.arange(2) == own[:, None], 1.0, 0.0) + 1e-3 * np.random.default_rng(0).random((200, 2))
    for n, expected in ((40, [25, 15]), (60, [34, 26])):
        rows = diverse(affinity, purity, affinity, weights, 0.25, np.arange(200), n)
        assert np.bincount(own[rows]).tolist() == expected
        if n == 40:
            assert (purity[rows, 0] >= 75).all()


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
