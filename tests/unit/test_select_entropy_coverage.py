"""Entropy coverage: no choice within the budget has a higher entropy over clusters and tasks, and no answer is read."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadc.features.embeddings import row_text
from cadc.selectors.entropy_coverage import Cells, Params, even_shares, measure, select
from cadc.selectors.signal import Signal

RANDOM = np.random.default_rng
PARAMS = Params(clusters=6, iterations=10, seed=0, points_per_cluster=256)


def unit(rows):
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def signal(seed=0, n=200):
    """Rows of eight kinds, by image and question, in three tasks of different size."""
    rng = RANDOM(seed)
    kind = rng.integers(0, 8, n)
    image, sentence = (unit(4 * rng.normal(size=(8, 6))[kind] + rng.normal(size=(n, 6))) for _ in range(2))
    image[:10] = 0
    return Signal(n, rng.choice(["a", "b", "c"], n, p=[0.7, 0.2, 0.1]), {"image": image, "sentence": sentence})


def entropy(counts):
    p = np.asarray(counts, float).ravel() / np.sum(counts)
    return -np.sum(p[p > 0] * np.log(p[p > 0]))


def cells_of(sizes):
    """Cells of sizes [n_clusters, n_tasks]."""
    cluster, task = (np.repeat(index, np.ravel(sizes)) for index in np.indices(np.shape(sizes)).reshape(2, -1))
    return Cells.of(cluster, task)


def shares_of(sizes, n, seed=0):
    """Rows taken of each cell, [n_clusters, n_tasks]."""
    out = np.zeros(np.shape(sizes), int)
    cells = cells_of(sizes)
    out[np.flatnonzero(np.sum(sizes, 1))[cells.cluster], np.flatnonzero(np.sum(sizes, 0))[cells.task]] = even_shares(
        cells, n, RANDOM(seed)
    )
    return out


@settings(max_examples=200, deadline=None)
@given(sizes=st.lists(st.integers(0, 4), min_size=4, max_size=4), n=st.integers(1, 12), seed=st.integers(0, 9))
def test_no_choice_of_rows_has_a_higher_entropy(sizes, n, seed):
    """By trying every way to share the budget over two clusters and two tasks."""
    sizes = np.reshape(sizes, (2, 2))
    n = min(n, int(sizes.sum()))
    if n == 0:
        return
    made = shares_of(sizes, n, seed)
    ways = [way for way in product(*(range(size + 1) for size in sizes.ravel())) if sum(way) == n]
    assert made.sum() == n and (made <= sizes).all()
    assert entropy(made) == pytest.approx(max(map(entropy, ways)), abs=1e-12)


def test_cells_are_alike_up_to_one_row_and_a_small_one_gives_all_it_has():
    assert np.sort(shares_of([[1], [5], [5]], 5).ravel()).tolist() == [1, 2, 2]
    assert shares_of([[2, 90], [10, 10]], 32).tolist() == [[2, 10], [10, 10]]
    assert shares_of([[3, 1], [0, 4]], 8).tolist() == [[3, 1], [0, 4]]  # the whole pool


@pytest.mark.parametrize("seed", range(5))
def test_with_fewer_rows_than_cells_each_gives_one_at_most_and_clusters_and_tasks_are_even(seed):
    sizes = np.full((6, 4), 9)
    made = shares_of(sizes, 12, seed)
    assert made.max() == 1 and made.sum(0).tolist() == [3, 3, 3, 3] and made.sum(1).tolist() == [2] * 6
    assert shares_of(sizes, 1, seed).sum() == 1


def test_the_odd_rows_go_where_clusters_and_tasks_have_few():
    """All three cells of 9 rows may give the odd row. One whose cluster or task has a row less does."""
    sizes = np.array([[9, 9], [9, 1]])
    assert all(shares_of(sizes, 8, seed).tolist() in ([[2, 2], [3, 1]], [[2, 3], [2, 1]]) for seed in range(8))


def test_which_of_equal_cells_gives_the_odd_row_is_drawn():
    assert len({tuple(shares_of([[5], [5], [5]], 4, seed).ravel()) for seed in range(20)}) == 3


@pytest.mark.parametrize("n", [0, 1, 7, 18, 60, 199, 200])
@pytest.mark.parametrize("clusters", [1, 6, 200])
def test_budgets_are_exact_for_any_number_of_clusters(n, clusters):
    given, params = signal(), PARAMS.model_copy(update={"clusters": clusters})
    rows = select(measure(given, params), n, params, RANDOM(0)).row
    assert len(rows) == len(set(rows.tolist())) == n and np.isin(rows, np.arange(200)).all()


def test_a_cell_is_a_cluster_of_one_task_and_rows_are_drawn_alike_inside_it():
    given = signal()
    cells = measure(given, PARAMS)
    for of_row in (cells.task[cells.of_row], cells.cluster[cells.of_row]):
        assert len(np.unique(cells.of_row)) == len(cells.size) and len(of_row) == 200
    assert len(set(zip(cells.task[cells.of_row].tolist(), given.task.tolist(), strict=True))) == 3
    drawn = np.zeros(200)
    for seed in range(300):
        drawn[select(cells, 60, PARAMS, RANDOM(seed)).row] += 1
    biggest = np.flatnonzero(cells.of_row == np.argmax(cells.size))
    expected = drawn[biggest].mean()
    assert (np.abs(drawn[biggest] - expected) < 5 * np.sqrt(expected)).all() and expected < 300


def test_more_entropy_than_rows_at_random():
    given = signal()
    cells = measure(given, PARAMS)
    ours, theirs = select(cells, 60, PARAMS, RANDOM(0)).row, RANDOM(0).permutation(200)[:60]
    assert entropy(np.bincount(cells.of_row[ours])) > 1.1 * entropy(np.bincount(cells.of_row[theirs]))


def test_no_answer_is_read():
    """Images, questions and tasks are all it asks for, and what is embedded of a question has no answer in it."""
    given = signal()
    bare = Signal(given.n_rows, given.task, {name: given[name] for name in ("image", "sentence")})
    other = Signal(given.n_rows, given.task, {**bare.arrays, "text": np.ones(1), "words": np.ones(1)})
    first, second = (select(measure(s, PARAMS), 60, PARAMS, RANDOM(0)).row for s in (bare, other))
    assert first.tolist() == second.tolist()
    turns = [{"role": "user", "text": "<image>\nWhat is it?"}, {"role": "assistant", "text": "a cat"}]
    changed = [turns[0], {"role": "assistant", "text": "two dogs"}]
    assert row_text(turns, answers=False) == row_text(changed, answers=False) == "What is it?"
