"""PROGRESS's schedule on a simulated learner whose clusters improve fast, slowly or never."""

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadc.artifacts import Selection
from cadc.config.plan import Plan
from cadc.training import released_progress as released
from cadc.training.adaptive import Adaptive, draw, priorities, relative_change, released_draw, tercile
from cadc.training.schedule import static_schedule

PLAN = Plan(
    variant="paper", objective="accuracy", order="change", gap=0.1, temperature=0.5, exploration=0.1,
    rows_per_cluster=4, measure_share=1.0, epsilon=0.05, passes="round", shuffled=False,
)  # fmt: skip
CLUSTER = np.arange(400) % 4  # 100 rows each: fast, slow, never, unseen
FAST, SLOW, NEVER, UNSEEN = range(4)


@dataclass
class Learner:
    """Accuracy 1 - exp(-rate * rows trained on of the cluster); knows which rows it was asked for."""

    rates: tuple = (0.05, 0.01, 0.0, 0.02)
    trained: np.ndarray = field(default_factory=lambda: np.zeros(4))
    unlocked: set = field(default_factory=set)
    seen: set = field(default_factory=set)
    asked: list = field(default_factory=list)

    def measure(self, rows):
        assert set(rows.tolist()) <= self.unlocked & self.seen
        self.asked.append(rows)
        known = 1 - np.exp(-np.array(self.rates) * self.trained)
        return np.stack([1 - known, known], 1)[CLUSTER[rows]]

    def unlock(self, rows):
        assert not self.unlocked & set(rows.tolist())
        self.unlocked |= set(rows.tolist())

    def train(self, schedule, step=10):
        out = []
        for start in range(0, len(schedule), step):
            out.append(self.step(schedule[start : start + step]))
        return np.concatenate(out)

    def step(self, rows):
        self.trained += np.bincount(CLUSTER[rows], minlength=4)
        self.seen |= set(rows.tolist())
        return rows


def scheduled(n=200, n_examples=400, warm_up=90, seed=0, learner=None, **changes):
    learner = learner or Learner()
    first = np.random.default_rng(7).permutation(np.flatnonzero(CLUSTER != UNSEEN))[:warm_up]
    return Adaptive(
        PLAN.model_copy(update=changes), CLUSTER, first, n, n_examples, seed, learner.measure, learner.unlock
    ), learner


def test_relative_changes_and_shares_by_hand():
    before, now = np.array([0.5, 0.5, 0.0, np.nan]), np.array([0.6, 0.4, 0.1, 0.3])
    change = relative_change(now, before, 0.1, "accuracy")
    np.testing.assert_allclose(change, [1 / 6, -1 / 6, 1.0, np.nan])
    np.testing.assert_allclose(relative_change(now, before, 0.1, "loss"), [-1 / 6, 1 / 6, -1.0, np.nan])
    weights = np.exp(change[:3] / 0.5)
    np.testing.assert_allclose(priorities(change, 0.5), [*(weights / weights.sum()), 0])
    assert priorities(change, 1e-12).tolist() == [0, 0, 1, 0]
    np.testing.assert_allclose(priorities(change, 1e12), [1 / 3, 1 / 3, 1 / 3, 0])
    assert priorities(np.full(3, np.nan), 1.0).tolist() == [0, 0, 0]


def test_terciles_of_what_is_measured():
    loss = np.array([0.1, 0.5, np.nan, 0.3, 0.9, 0.2, 0.8])
    assert np.flatnonzero(tercile(loss, "easiest", "loss")).tolist() == [0, 5]
    assert np.flatnonzero(tercile(loss, "medium", "loss")).tolist() == [1, 3]
    assert np.flatnonzero(tercile(loss, "hardest", "loss")).tolist() == [4, 6]
    assert np.flatnonzero(tercile(loss, "easiest", "accuracy")).tolist() == [4, 6]
    assert tercile(np.full(2, np.nan), "easiest", "loss").sum() == 0 and tercile(
        np.array([0.3]), "hardest", "loss"
    ).tolist() == [1]


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    weights=st.lists(st.floats(0, 1), min_size=4, max_size=4),
    n=st.integers(0, 60),
    exploration=st.one_of(st.just(0.0), st.floats(0, 1)),
    gone=st.floats(0, 0.8),
    seed=st.integers(0, 99),
)
def test_draws_are_exact_new_and_by_share(weights, n, exploration, gone, seed):
    rng = np.random.default_rng(seed)
    left, p = rng.random(400) >= gone, np.array(weights) / max(sum(weights), 1e-9)
    left[CLUSTER == SLOW] = False  # exhausted
    n = min(n, int(left.sum()))  # no round asks for more rows than are left
    rows = draw(p, CLUSTER, left, n, exploration, rng)
    assert len(rows) == len(set(rows.tolist())) == n and left[rows].all()
    if exploration == 0 and p[[FAST, NEVER, UNSEEN]].min() > 0 and n:
        room = np.bincount(CLUSTER[left], minlength=4)
        counts, open_ = np.bincount(CLUSTER[rows], minlength=4), [FAST, NEVER, UNSEEN]
        assert counts[SLOW] == 0
        if (counts < room)[open_].all():  # nothing else full: in proportion, to the row
            exact = [n * Fraction(p[k]) / sum(Fraction(p[j]) for j in open_) for k in open_]
            # of m remainders that sum to r, the r-th largest is at least 1 / m, the next at most 1 - 1 / m
            assert max(abs(int(counts[k]) - share) for k, share in zip(open_, exact, strict=True)) <= Fraction(2, 3)


def test_where_no_cluster_with_a_share_has_room_the_rest_is_explored():
    left = np.ones(400, bool)
    left[np.flatnonzero(CLUSTER == FAST)[5:]] = False
    rows = draw(np.array([1.0, 0, 0, 0]), CLUSTER, left, 50, 0.1, np.random.default_rng(0))
    assert np.bincount(CLUSTER[rows], minlength=4)[FAST] == 5 and len(set(rows.tolist())) == 50


def test_rounds_follow_the_formula_on_known_learning_curves():
    schedule, learner = scheduled(exploration=0.0)
    order = learner.train(schedule)
    made, rounds = schedule.selection(), schedule.history()
    assert made.n_unique == len(made) == 200 and learner.unlocked == set(made.row.tolist())
    assert np.bincount(made.stage).tolist() == [90, 20, 20, 20, 20, 20, 10]
    np.testing.assert_array_equal(
        order, static_schedule(made, 400)
    )  # the same as its realised selection, trained on statically
    _, value, change, p, measured_rows, unlocked = np.moveaxis(rounds, 2, 0)
    assert (
        len(rounds) == 7 and np.isnan(change[0]).all()
    )  # half-way through the warm-up, then before each of six rounds
    for t in range(1, 7):
        expected = (value[t, :3] - value[t - 1, :3]) / (value[t - 1, :3] + 0.05)
        np.testing.assert_allclose(change[t, :3], expected)
        weights = np.exp(expected / 0.5)
        np.testing.assert_allclose(p[t], [*(weights / weights.sum()), 0])
        counts = np.bincount(CLUSTER[made.row[made.stage == t]], minlength=4)
        assert (
            counts[UNSEEN] == 0 and np.abs(counts[:3] - counts.sum() * p[t, :3]).max() < 1
        )  # without exploration it stays unseen
        np.testing.assert_allclose(made.weight[made.stage == t], p[t][CLUSTER[made.row[made.stage == t]]], rtol=1e-6)
    assert unlocked[:, :3].sum(1).tolist() == [90, 90, 110, 130, 150, 170, 190] and measured_rows[1:, :3].max() == 4
    assert p[1, SLOW] > p[1, FAST] > p[1, NEVER]  # the fast one was nearly learnt when it was first measured


def test_released_rounds_follow_the_released_rules_and_measure_other_rows_each_time():
    schedule, learner = scheduled(variant="released", rows_per_cluster=8, epsilon=9.0)  # which they don't have
    learner.train(schedule)
    made, rounds = schedule.selection(), schedule.history()
    assert made.n_unique == len(made) == 200 and np.bincount(made.stage).tolist() == [90, 20, 20, 20, 20, 20, 10]
    _, value, change, p, measured, unlocked = np.moveaxis(rounds, 2, 0)
    assert measured[1:, :3].min() == 8 and not set(learner.asked[1]) <= set(learner.asked[2])
    for t in range(1, 7):
        expected = released.change(value[t], value[t - 1], measured[t])
        np.testing.assert_allclose(change[t], expected)
        left = 100 - unlocked[t]
        np.testing.assert_allclose(p[t], released.shares(expected, left, 0.5))
        taken = np.bincount(CLUSTER[made.row[made.stage == t]], minlength=4)
        assert (taken >= released.counts(p[t], left, int(taken.sum()))).all()
    assert p[1, NEVER] == 0 == p[2, NEVER] and (p[:, UNSEEN] == 0).sum() >= 2


@pytest.mark.parametrize("order", ["easiest", "medium", "hardest"])
def test_released_controls_take_whole_clusters(order):
    schedule, learner = scheduled(variant="released", order=order, rows_per_cluster=8)
    learner.train(schedule)
    made = schedule.selection()
    taken = np.bincount(CLUSTER[made.row[made.stage == 1]], minlength=4)
    assert made.n_unique == 200 and (taken > 0).sum() == 1
    wanted = {"easiest": FAST, "medium": SLOW, "hardest": NEVER}
    assert taken.argmax() == wanted[order]


def test_a_released_round_is_exact_where_rounding_and_exhausted_clusters_leave_it_open():
    left = np.ones(400, bool)
    left[CLUSTER == SLOW] = False
    left[np.flatnonzero(CLUSTER == FAST)[3:]] = False
    p = np.array([0.9, 0.0, 0.1, 0.0])
    rows = released_draw(p, CLUSTER, left, 50, np.random.default_rng(0))
    counts = np.bincount(CLUSTER[rows], minlength=4)
    assert len(set(rows.tolist())) == 50 == counts.sum() and counts[FAST] == 3 and counts[SLOW] == 0
    assert released_draw(np.zeros(4), CLUSTER, left, 30, np.random.default_rng(0)).shape == (30,)


def test_rows_chosen_in_the_first_pass_are_all_passed_over_again():
    schedule, learner = scheduled(n=120, n_examples=420, passes="first")
    order = learner.train(schedule)
    made = schedule.selection()
    assert schedule.marks == [45, 90, 102, 114] and len(order) == 420
    np.testing.assert_array_equal(order, np.resize(made.row, 420))
    np.testing.assert_array_equal(order, static_schedule(Selection.of_rows(made.row), 420))


def test_loss_falls_where_accuracy_rises():
    (by_accuracy, a), (by_loss, b) = scheduled(exploration=0.0), scheduled(exploration=0.0, objective="loss")
    a.train(by_accuracy), b.train(by_loss)
    change = by_loss.history()[1, :, 2]
    assert change[FAST] > change[SLOW] > 0 == change[NEVER]


@pytest.mark.parametrize("exploration", [0.0, 0.1, 0.3, 1.0])
def test_a_round_explores_its_share(exploration):
    """All priority is on one cluster with room enough.

    Beyond round((1 - exploration) * n) rows only what is explored adds to it.
    """
    own = []
    for seed in range(200):
        rows = draw(np.array([1.0, 0, 0, 0]), CLUSTER, np.ones(400, bool), 40, exploration, np.random.default_rng(seed))
        own.append(np.sum(CLUSTER[rows] == FAST))
    sure = round((1 - exploration) * 40)
    expected = sure + (40 - sure) * (100 - sure) / (400 - sure)
    assert min(own) >= sure and np.mean(own) == pytest.approx(expected, abs=0.6) and (exploration > 0 or max(own) == 40)


@pytest.mark.parametrize("order", ["easiest", "medium", "hardest"])
def test_controls_draw_from_one_cluster_in_three(order):
    schedule, learner = scheduled(order=order, exploration=0.0)
    learner.train(schedule)
    made = schedule.selection()
    expected = {"easiest": FAST, "medium": SLOW, "hardest": NEVER}[order]
    assert set(CLUSTER[made.row[made.stage == 1]].tolist()) == {expected}


def test_exhausted_clusters_and_whole_pools():
    schedule, learner = scheduled(n=400, n_examples=400, exploration=0.0, temperature=0.01)
    learner.train(schedule)
    assert sorted(schedule.selection().row.tolist()) == list(range(400))


def test_a_budget_that_is_all_warm_up_measures_nothing():
    schedule, learner = scheduled(n=90, n_examples=180)
    learner.train(schedule)
    assert learner.asked == [] and schedule.marks == [] and set(schedule.selection().stage.tolist()) == {0}


def test_without_a_warm_up_the_first_two_rounds_are_uniform():
    schedule, learner = scheduled(warm_up=0)
    learner.train(schedule)
    p = schedule.history()[:, :, 3]
    assert (p[:2] == 0).all() and p[2:].any(1).all() and schedule.selection().n_unique == 200


@pytest.mark.parametrize("share", [1.0, 0.2, 0.01])
def test_measuring_is_bounded_and_of_rows_that_were_trained_on(share):
    schedule, learner = scheduled(n=300, n_examples=2000, gap=0.05, rows_per_cluster=9, measure_share=share)
    learner.train(schedule)  # which sees that no row is measured that was not trained on
    most = {1.0: 9, 0.2: 9, 0.01: 1}[share]
    assert schedule.rows_per_cluster == most
    for rows in learner.asked:
        assert np.bincount(CLUSTER[rows], minlength=4).max() <= most
    assert sum(map(len, learner.asked)) <= max(
        3 * share * 2000, 4 * len(schedule.marks)
    )  # a forward pass is a third of a step
    assert all(set(a.tolist()) <= set(b.tolist()) for a, b in zip(learner.asked, learner.asked[1:], strict=False))


def test_same_seed_same_rows_and_another_seed_others():
    a, b, c = (scheduled(seed=seed) for seed in (0, 0, 1))
    rows = [learner.train(schedule) for schedule, learner in (a, b, c)]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])


def test_budgets_that_do_not_fit_are_refused():
    for n, warm_up in ((50, 90), (401, 90)):
        with pytest.raises(ValueError, match=str(n)):
            scheduled(n=n, warm_up=warm_up)


@pytest.mark.parametrize("passes", ["first", "round"])
@pytest.mark.parametrize("stop", range(1, 8))
def test_state_taken_up_at_any_mark_gives_the_same_rows(stop, passes):
    whole, learner = scheduled(passes=passes)
    expected = learner.train(whole)
    first, learner = scheduled(passes=passes)
    upto = [0, *(mark // 10 * 10 for mark in first.marks), 400][stop]
    for start in range(0, upto, 10):
        learner.step(first[start : start + 10])
    second, other = scheduled(learner=Learner(trained=learner.trained.copy(), seen=set(learner.seen)), passes=passes)
    other.unlocked.clear()
    second.load({name: array.copy() for name, array in first.state().items()})
    rest = [other.step(second[start : start + 10]) for start in range(upto, 400, 10)]
    np.testing.assert_array_equal(np.concatenate([np.empty(0, int), *rest]), expected[upto:])
    np.testing.assert_array_equal(second.history(), whole.history())
