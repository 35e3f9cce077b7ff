"""D2-Pruning: exact budgets, ties by row, and a fast reverse pass that equals the slow one."""

import numpy as np
import pytest

from cadc.config.errors import InputError
from cadc.selectors import d2_pruning
from cadc.selectors.d2_pruning import Params, forward, importance, neighbour_graph, pick_order, queue_order
from cadc.selectors.signal import Signal

VARIANTS = ("paper", "released")


def pool(n=120, d=6, seed=0):
    rng = np.random.default_rng(seed)
    arrays = {
        "margin": rng.uniform(-1, 1, (3, n)).astype(np.float32),
        "hidden": rng.normal(size=(n, d)).astype(np.float32),
    }
    return Signal(n, np.zeros(n), arrays)


def chosen(signal, n, seed=0, **changes):
    params = Params(
        **(
            {
                "neighbors": 5,
                "gamma": 0.4,
                "variant": "paper",
                "important": "hard",
                "unit_rows": False,
                "exact_rows": 1000,
            }
            | changes
        )
    )
    return d2_pruning.select(d2_pruning.measure(signal, params), n, params, np.random.default_rng(seed)).row


def slow_order(score, graph, decay, n):
    """An argmax over all rows for each pick."""
    order, left = [], np.ones(len(score), bool)
    for _ in range(n):
        best = int(np.argmax(np.where(left, score, -np.inf)))
        left[best] = False
        order.append(best)
        edges = np.arange(graph.start[best], graph.start[best + 1])
        edges = edges[left[graph.neighbour[edges]]]
        score[graph.neighbour[edges]] -= decay[edges] * score[best]
    return order


def slow_queue(score, graph, decay, n):
    """The released queue, with a list of those standing by that is searched for each pick."""
    line, standing, order = np.argsort(-score, kind="stable").tolist(), [], []
    while len(order) < n:
        if standing and (not line or score[standing].max() >= score[line[0]]):
            best = min(standing, key=lambda i: (-score[i], i))
            standing.remove(best)
        else:
            best = line.pop(0)
            if line and score[best] < score[line[0]]:
                standing.append(best)
                continue
        order.append(best)
        edges = np.arange(graph.start[best], graph.start[best + 1])
        score[graph.neighbour[edges]] -= decay[edges] * score[best]
    return order


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("important", ["hard", "easy"])
@pytest.mark.parametrize("n", [0, 1, 30, 120])
def test_budgets_are_exact_and_results_repeat(variant, important, n):
    rows = chosen(pool(), n, variant=variant, important=important)
    assert len(np.unique(rows)) == len(rows) == n and np.isin(rows, np.arange(120)).all()
    assert rows.tolist() == chosen(pool(), n, variant=variant, important=important).tolist()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("margin", [0.5, -0.5, 0.0])
def test_a_pool_of_identical_rows_fills_every_budget(variant, margin):
    same = Signal(
        40, np.zeros(40), {"margin": np.full((2, 40), margin, np.float32), "hidden": np.ones((40, 3), np.float32)}
    )
    for n in (1, 17, 40):
        assert len(set(chosen(same, n, variant=variant).tolist())) == n


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_single_row_is_chosen(variant):
    assert chosen(pool(1), 1, variant=variant).tolist() == [0] and chosen(pool(1), 0, variant=variant).tolist() == []


def test_equal_scores_are_taken_in_row_order():
    """Rows far apart exchange nothing, so every score stays what it is."""
    apart = Signal(
        12, np.zeros(12), {"margin": np.full((1, 12), 0.3, np.float32), "hidden": 1e4 * np.eye(12, dtype=np.float32)}
    )
    for variant in VARIANTS:
        assert sorted(chosen(apart, 5, variant=variant, important="easy").tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_order_of_the_pool_does_not_matter(variant):
    given, order = pool(), np.random.default_rng(5).permutation(120)
    moved = Signal(120, given.task, {"margin": given["margin"][:, order], "hidden": given["hidden"][order]})
    assert set(order[chosen(moved, 30, variant=variant)].tolist()) == set(chosen(given, 30, variant=variant).tolist())


def test_seeds_change_the_order_of_training_alone():
    first, second = (chosen(pool(), 40, seed=s) for s in (0, 1))
    assert first.tolist() != second.tolist() and set(first.tolist()) == set(second.tolist())


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_measured_once_serves_every_budget_and_seed(variant):
    params = Params(neighbors=5, gamma=0.4, variant=variant, important="hard", unit_rows=False, exact_rows=1000)
    measured = d2_pruning.measure(pool(), params)
    small, large, again = (
        set(d2_pruning.select(measured, n, params, np.random.default_rng(0)).row.tolist()) for n in (20, 40, 20)
    )
    assert small == again and small < large


def test_the_length_of_rows_counts_unless_they_are_made_unit():
    given = pool()
    longer = Signal(
        120, given.task, {**given.arrays, "hidden": given["hidden"] * np.linspace(1, 3, 120, dtype=np.float32)[:, None]}
    )
    for unit, same in ((True, True), (False, False)):
        assert (
            set(chosen(given, 40, unit_rows=unit).tolist()) == set(chosen(longer, 40, unit_rows=unit).tolist())
        ) == same


def test_hard_rows_are_those_of_low_aum():
    margin = np.array([[0.9, -0.5, 0.1], [0.7, -0.7, 0.3]], np.float32)
    np.testing.assert_allclose(importance(margin, "hard"), [0, 1.4, 0.6], rtol=1e-6)
    np.testing.assert_allclose(importance(margin, "easy"), [0.8, -0.6, 0.2], rtol=1e-6)
    assert set(chosen(pool(), 20, important="hard").tolist()) != set(chosen(pool(), 20, important="easy").tolist())


def test_a_row_hears_its_neighbours_once_by_distance():
    """Rows 0 and 1 are each other's nearest, row 2 is 2 from row 1: it hears row 1 and row 1 hears both."""
    graph = neighbour_graph(np.array([[0.0], [1.0], [3.0]], np.float32), 1, "paper", exact_rows=10)
    assert np.split(graph.neighbour, graph.start[1:-1])[1].tolist() == [0, 2] and len(graph.neighbour) == 4
    heard = forward(graph, np.array([1.0, 0.0, 4.0]), "paper")
    np.testing.assert_allclose(heard, [1 + np.exp(-1) * 1e-7, np.exp(-1) + 4 * np.exp(-2), 4 + np.exp(-2) * 1e-7])


def test_a_duplicate_of_a_picked_row_is_worth_nothing_more():
    """Rows 0 and 1 are one and the same, the hardest; every other row comes before the second of them."""
    signal = pool(30)
    margin = np.linspace(0, 0.5, 30, dtype=np.float32)[None]
    margin[0, 1] = margin[0, 0]
    hidden = 1e4 * signal["hidden"]
    hidden[1] = hidden[0]
    rows = chosen(Signal(30, signal.task, {"margin": margin, "hidden": hidden}), 28)
    assert 0 in rows and 1 not in rows


@pytest.mark.parametrize("seed", range(20))
def test_the_fast_pass_equals_the_slow_one(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 60))
    graph = neighbour_graph(rng.normal(size=(n, 3)).astype(np.float32), 4, VARIANTS[seed % 2], exact_rows=1000)
    score = rng.integers(-2, 6, n).astype(np.float64)  # with decays of 1/2 and 1, sums are exact and ties frequent
    decay = rng.choice([0.5, 1.0], len(graph.neighbour))
    for quick, naive in ((pick_order, slow_order), (queue_order, slow_queue)):
        slow, fast = score.copy(), score.copy()
        assert quick(fast, graph.start, graph.neighbour, decay, n).tolist() == naive(slow, graph, decay, n)
        assert fast.tolist() == slow.tolist()


def test_late_picks_of_negative_score_lift_no_row_above_0():
    measured = d2_pruning.measure(
        pool(300), Params(neighbors=5, gamma=0.0, variant="paper", important="hard", unit_rows=True, exact_rows=1000)
    )
    score, graph = measured.score.copy(), measured.graph
    order = pick_order(score, graph.start, graph.neighbour, measured.decay, 300)
    at_pick = score[order]
    n_positive = int((at_pick > 0).sum())
    assert 0 < n_positive < 300 and (at_pick[:n_positive] > 0).all() and (np.diff(at_pick[:n_positive]) <= 0).all()
    assert np.isfinite(at_pick).all()


def test_a_row_without_a_margin_is_named():
    given = pool(20)
    given["margin"][1, 4] = np.nan
    with pytest.raises(InputError, match="row 4"):
        chosen(given, 5)
