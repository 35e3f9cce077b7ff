"""Budgets are exact, proportional and never exceed what is there."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadc.config.budgets import capped_shares, largest_remainder, n_selected

weights = st.lists(st.floats(0, 1e6), min_size=1, max_size=30)


@given(weights, st.integers(0, 5000))
def test_largest_remainder_is_exact_and_within_one_of_the_quota(w, total):
    shares = largest_remainder(np.array(w), total)
    assert shares.sum() == total and (shares >= 0).all()
    if sum(w) > 0:
        assert (np.abs(shares - np.array(w) / np.sum(w) * total) < 1 + 1e-6).all()


def test_ties_go_to_the_first():
    assert largest_remainder(np.ones(3), 5).tolist() == [2, 2, 1]


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 50)), min_size=1, max_size=20), st.floats(0, 1))
def test_capped_shares_fill_exactly_within_capacity(groups, fraction):
    w, capacity = (np.array(x) for x in zip(*groups, strict=True))
    total = int(fraction * capacity.sum())
    shares = capped_shares(w, capacity, total)
    assert shares.sum() == total and (shares <= capacity).all()


def test_overflow_goes_to_the_others_in_proportion():
    assert capped_shares(np.array([8.0, 1.0, 1.0]), np.array([2, 50, 50]), 20).tolist() == [2, 9, 9]
    assert capped_shares(np.ones(3), np.array([1, 5, 5]), 5).tolist() == [1, 2, 2]
    assert capped_shares(np.array([0.0, 1.0, 0.0]), np.array([5, 2, 5]), 6).tolist() == [2, 2, 2]


def exact_shares(w, capacity, total):
    """min(capacity, level * weight) at the level that makes `total`, in fractions.

    Between two levels at which groups get full the sum is a straight line. Groups of weight 0 share alike what the
    others can't take.
    """
    w, capacity = [Fraction(float(x)) for x in w], [int(c) for c in capacity]
    heavy = sum(c for x, c in zip(w, capacity, strict=True) if x)
    if total >= heavy:
        others = [c for x, c in zip(w, capacity, strict=True) if not x]
        rest = iter(exact_shares([1] * len(others), others, total - heavy) if total > heavy else [0] * len(others))
        return [Fraction(c) if x else next(rest) for x, c in zip(w, capacity, strict=True)]

    def at(level):
        return [min(Fraction(c), level * x) for x, c in zip(w, capacity, strict=True)]

    levels = sorted({Fraction(0), *(c / x for x, c in zip(w, capacity, strict=True) if x)})
    low, high = max(one for one in levels if sum(at(one)) <= total), min(one for one in levels if sum(at(one)) > total)
    level = low + (high - low) * (total - sum(at(low))) / (sum(at(high)) - sum(at(low)))
    assert sum(at(level)) == total
    return at(level)


few_weights = st.sampled_from([0.0, 0.1, 0.5, 1.0, 1.0, 3.0, 1e-9])
small = st.lists(st.tuples(few_weights, st.integers(0, 4)), min_size=1, max_size=5)


@given(small, st.floats(0, 1))
def test_capped_shares_are_as_near_to_the_exact_ones_as_whole_rows_can_be(groups, fraction):
    """The nearest of all ways to give whole rows within capacities, and of equally near ones the first's."""
    w, capacity = (np.array(x) for x in zip(*groups, strict=True))
    total = int(fraction * capacity.sum())
    exact = exact_shares(w, capacity, total)
    ways = [way for way in product(*(range(c, -1, -1) for c in capacity)) if sum(way) == total]
    best = min(ways, key=lambda way: sum((a - b) ** 2 for a, b in zip(way, exact, strict=True)))  # ties: the first
    assert capped_shares(w, capacity, total).tolist() == list(best)


real = st.lists(st.tuples(st.floats(0, 1e300), st.integers(0, 10**6)), min_size=1, max_size=12)


@given(real, st.floats(0, 1), st.randoms(use_true_random=False))
def test_capped_shares_follow_the_groups_wherever_they_stand(groups, fraction, random):
    w, capacity = (np.array(x) for x in zip(*groups, strict=True))
    total = int(fraction * capacity.sum())
    shares, exact = capped_shares(w, capacity, total), exact_shares(w, capacity, total)
    assert shares.sum() == total and (shares <= capacity).all()
    assert all(x // 1 <= share <= -(-x // 1) for share, x in zip(shares.tolist(), exact, strict=True))
    remainders = [x % 1 for x in exact if x % 1]
    if len(set(remainders)) == len(remainders):
        order = random.sample(range(len(w)), len(w))
        assert capped_shares(w[order], capacity[order], total).tolist() == shares[order].tolist()


@given(weights, st.integers(0, 5000))
def test_capacities_that_are_never_reached_change_nothing(w, total):
    room = np.full(len(w), 5000)
    assert capped_shares(np.array(w), room, total).tolist() == largest_remainder(np.array(w), total).tolist()


def test_equal_remainders_go_by_position_whatever_a_quotient_is_rounded_to():
    for n in range(2, 60):
        for w in ([1, n - 1], [n - 1, 1], [1, n, 1], [n, 1, n]):
            for total in range(1, 2 * sum(w)):
                exact = [Fraction(x * total, sum(w)) for x in w]
                first = sorted(range(len(w)), key=lambda i: -(exact[i] % 1))[: total - sum(int(x) for x in exact)]
                wanted = [int(x) + (i in first) for i, x in enumerate(exact)]
                assert largest_remainder(np.array(w), total).tolist() == wanted


def test_impossible_and_malformed_budgets():
    with pytest.raises(ValueError, match="exceeds the 3 rows"):
        capped_shares(np.ones(2), np.array([1, 2]), 4)
    for bad in (np.nan, np.inf, -1):
        with pytest.raises(ValueError, match="finite"):
            largest_remainder(np.array([1, bad]), 3)
    assert largest_remainder(np.zeros(0), 0).tolist() == []
    assert capped_shares(np.ones(2), np.array([3, 3]), 0).tolist() == [0, 0]
    assert n_selected(0.05, 24001) == 1200 and n_selected(0.001, 10) == 1
