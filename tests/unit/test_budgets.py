"""Budgets are exact, proportional and never exceed what is there."""

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


def test_impossible_and_malformed_budgets():
    with pytest.raises(ValueError, match="exceeds the 3 rows"):
        capped_shares(np.ones(2), np.array([1, 2]), 4)
    with pytest.raises(ValueError, match="finite"):
        largest_remainder(np.array([1, np.nan]), 3)
    assert n_selected(0.05, 24001) == 1200 and n_selected(0.001, 10) == 1
