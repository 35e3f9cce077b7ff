"""Self-Filter: exact budgets, ties by row, and lists of neighbours that change nothing but the time."""

import numpy as np
import pytest

from cadc.config.errors import InputError
from cadc.selectors import self_filter
from cadc.selectors.self_filter import Params, measure, pick_order
from cadc.selectors.signal import Signal

VARIANTS = ("paper", "released")


def pool(n=120, d=6, seed=0):
    rng = np.random.default_rng(seed)
    return Signal(
        n,
        np.zeros(n),
        {"features": rng.normal(size=(n, d)).astype(np.float32), "difficulty": rng.normal(size=n).astype(np.float32)},
    )


def chosen(signal, n, seed=0, **changes):
    params = Params(**({"neighbors": 4, "gamma": 1.0, "variant": "paper", "exact_rows": 1000} | changes))
    return self_filter.select(measure(signal, params), n, params, np.random.default_rng(seed)).row


def slow_order(difficulty, features, k, gamma, n):
    """As the paper has it: for each pick all cosines are sorted."""
    unit = features.astype(np.float64) / np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    left, order = np.ones(len(unit), bool), []
    for _ in range(n):
        best = int(np.argmax(np.where(left, difficulty, -np.inf)))
        left[best] = False
        order.append(best)
        cosine = unit @ unit[best]
        near = [i for i in np.argsort(-cosine, kind="stable") if left[i]][:k]
        difficulty[near] -= gamma * difficulty[best] * cosine[near] ** 2
    return order


@pytest.mark.parametrize("seed", range(8))
def test_picks_equal_those_of_a_full_search_even_where_lists_run_out(seed):
    """All 90 rows are picked, so that lists of 5 k = 15 run out."""
    signal = pool(90, d=3, seed=seed)
    measured = measure(signal, Params(neighbors=3, gamma=0.7, variant="released", exact_rows=1000))
    slow, fast = (signal["difficulty"].astype(np.float64) for _ in range(2))
    order = pick_order(fast, measured.unit, measured.index, measured.cosine, 3, 0.7, 90)
    assert order.tolist() == slow_order(slow, signal["features"], 3, 0.7, 90)
    np.testing.assert_allclose(fast, slow, rtol=1e-4, atol=1e-5)


def test_the_length_of_lists_changes_nothing():
    """Every row stands there 3 times, so that cosines tie."""
    signal = pool(90, d=3)
    signal["features"][:] = np.tile(signal["features"][:30], (3, 1))
    measured = measure(signal, Params(neighbors=3, gamma=1.0, variant="released", exact_rows=1000))
    orders = [
        pick_order(
            signal["difficulty"].astype(np.float64),
            measured.unit,
            measured.index[:, :m],
            measured.cosine[:, :m],
            3,
            1.0,
            90,
        ).tolist()
        for m in (15, 2, 0)
    ]
    assert orders[0] == orders[1] == orders[2]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("n", [0, 1, 30, 120])
def test_budgets_are_exact_and_results_repeat(variant, n):
    rows = chosen(pool(), n, variant=variant)
    assert len(np.unique(rows)) == len(rows) == n and np.isin(rows, np.arange(120)).all()
    assert rows.tolist() == chosen(pool(), n, variant=variant).tolist()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("features", [1.0, 0.0])
def test_a_pool_of_identical_rows_fills_every_budget(variant, features):
    same = Signal(
        40,
        np.zeros(40),
        {"features": np.full((40, 3), features, np.float32), "difficulty": np.full(40, -2.0, np.float32)},
    )
    for n in (1, 17, 40):
        assert len(set(chosen(same, n, variant=variant).tolist())) == n


def test_a_single_row_is_chosen():
    assert chosen(pool(1), 1).tolist() == [0] and chosen(pool(1), 0).tolist() == []


def test_equal_difficulties_are_taken_in_row_order():
    """Orthogonal rows take nothing from each other."""
    apart = Signal(
        12, np.zeros(12), {"features": np.eye(12, dtype=np.float32), "difficulty": np.full(12, 3.0, np.float32)}
    )
    for variant in VARIANTS:
        assert sorted(chosen(apart, 5, variant=variant).tolist()) == [0, 1, 2, 3, 4]


def test_the_order_of_the_pool_does_not_matter():
    given, order = pool(), np.random.default_rng(5).permutation(120)
    moved = Signal(120, given.task, {name: array[order] for name, array in given.arrays.items()})
    assert set(order[chosen(moved, 30)].tolist()) == set(chosen(given, 30).tolist())


def test_seeds_change_the_order_of_training_alone():
    first, second = (chosen(pool(), 40, seed=s) for s in (0, 1))
    assert first.tolist() != second.tolist() and set(first.tolist()) == set(second.tolist())


def test_what_is_measured_once_serves_every_budget_and_seed():
    params = Params(neighbors=4, gamma=1.0, variant="released", exact_rows=1000)
    measured = measure(pool(), params)
    small, large, again = (
        set(self_filter.select(measured, n, params, np.random.default_rng(0)).row.tolist()) for n in (20, 40, 20)
    )
    assert small == again and small < large and measured.difficulty.tolist() == pool()["difficulty"].tolist()


def test_a_constant_in_the_difficulty_changes_the_released_picks_alone():
    given = pool()
    moved = Signal(120, given.task, {**given.arrays, "difficulty": given["difficulty"] + 5})
    assert set(chosen(given, 40).tolist()) == set(chosen(moved, 40).tolist())
    assert set(chosen(given, 40, variant="released").tolist()) != set(chosen(moved, 40, variant="released").tolist())


def test_a_duplicate_of_a_picked_row_is_no_longer_difficult():
    given = pool()
    given["features"][1], given["difficulty"][0], given["difficulty"][1] = given["features"][0], 9, 9
    rows = chosen(given, 10, variant="released")
    assert 0 in rows and 1 not in rows and {0, 1} <= set(chosen(given, 2, gamma=0.0).tolist())


def test_a_row_without_a_difficulty_is_named():
    given = pool(20)
    given["difficulty"][4] = np.inf
    with pytest.raises(InputError, match="row 4"):
        chosen(given, 5)
