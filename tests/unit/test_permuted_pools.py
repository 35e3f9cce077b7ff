"""A pool in another order of rows: which methods choose the same rows, and which hang on where a row stands.

k-means begins with rows by number, and draws fall on numbers: such a method is another draw in another order. The
stages `prepare` and `pool` therefore put rows in the order of their ids (test_row_order.py). In an order of their
content none would hang on ids, either (the last test), at the price of every figure made so far.
"""

import hashlib

import numpy as np
import pytest
from test_every_selector import CASES, N, choose, make_signal

from cadc.selectors.signal import Signal

#: Methods that begin k-means with rows by number, or draw rows (`full` where fewer than all are asked for).
BY_NUMBER = {
    "coincide", "entropy_coverage", "full", "presel", "progress", "random", "self_sup", "semdedup",
    "task_budget_random", "tive", "visnec", "xmas",
}  # fmt: skip


def moved(signal: Signal, order: np.ndarray) -> Signal:
    arrays = {}
    for name in signal.arrays:
        array = signal.arrays[name]
        axis = next((axis for axis in (0, 1) if array.ndim > axis and array.shape[axis] == len(order)), None)
        arrays[name] = array if axis is None else np.take(array, order, axis)
    return Signal(len(order), signal.task[order], arrays)


def by_content(signal: Signal) -> np.ndarray:
    """The rows in the order of a hash of all that is known of each."""
    parts = []
    for name in sorted(signal.arrays):
        array = signal.arrays[name]
        axis = next((axis for axis in (0, 1) if array.ndim > axis and array.shape[axis] == signal.n_rows), None)
        if axis is not None:
            parts.append(np.moveaxis(array, axis, 0))
    keys = [
        hashlib.blake2b(b"".join(np.ascontiguousarray(part[row]).tobytes() for part in parts)).digest()
        for row in range(signal.n_rows)
    ]
    return np.array(sorted(range(signal.n_rows), key=keys.__getitem__))


def content(signal: Signal, rows: np.ndarray) -> list[bytes]:
    """What the rows hold, for rows that are alike are as good as each other."""
    return sorted(signal["features"][row].tobytes() + signal["hidden"][row].tobytes() for row in rows)


def common(one: list, other: list) -> float:
    """The share of `one` that `other` has, too."""
    left = list(other)
    return sum(1 for row in one if row in left and left.remove(row) is None) / max(1, len(one))


def overlap(case: str, kind: str, n: int, first: bool = False) -> float:
    """The mean share of rows, alike ones taken for the same, that stay chosen in three other orders of the pool.

    first: rows are put in the order of their content before anything is chosen."""
    signal, shares = make_signal(kind, 7), []

    def chosen(given: Signal) -> list[bytes]:
        given = moved(given, by_content(given)) if first else given
        return content(given, choose(case, given, n).row)

    for seed in range(3):
        order = np.random.default_rng(seed).permutation(N)
        shares.append(common(chosen(signal), chosen(moved(signal, order))))
    return float(np.mean(shares))


@pytest.mark.parametrize("case", [case for case in CASES if case not in BY_NUMBER and case != "length"])
@pytest.mark.parametrize("kind", ["generic", "duplicates"])
def test_the_order_of_the_pool_changes_no_choice_but_among_copies(case, kind):
    sums = case == "scalselect" and kind == "duplicates"  # its sums' last digits part what would tie
    assert overlap(case, kind, 20) >= (0.9 if sums else 1)


@pytest.mark.parametrize("case", sorted(BY_NUMBER))
def test_a_method_that_begins_with_row_numbers_is_another_draw_in_another_order(case):
    """Where this fails it has been mended: take the method off the list."""
    assert overlap(case, "generic", 20) < 1


@pytest.mark.parametrize("case", CASES)
def test_rows_in_the_order_of_their_content_would_make_every_method_s_choice_that_of_the_pool(case):
    assert overlap(case, "generic", 20, first=True) == 1
