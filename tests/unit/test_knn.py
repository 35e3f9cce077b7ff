"""Nearest neighbours are those of a search over all pairs, whatever the threads; a knock-out tree knows the highest."""

import numpy as np
import pytest

from cadc.config.errors import InputError
from cadc.selectors.shared.knn import nearest
from cadc.selectors.shared.knock_out import knock_out, settle
from cadc.selectors.shared.unit import unit_rows


def clustered(n=600, d=16, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(12, d))[rng.integers(12, size=n)] + 0.3 * rng.normal(size=(n, d))).astype(np.float32)


def all_pairs(rows, k, metric):
    """By every distance in float64, ties by row."""
    rows = rows.astype(np.float64)
    apart = -rows @ rows.T if metric == "cosine" else np.linalg.norm(rows[:, None] - rows[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    index = np.argsort(apart, axis=1, kind="stable")[:, :k]
    return index, np.take_along_axis(apart, index, 1) * (-1 if metric == "cosine" else 1)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_exact_search_finds_what_all_pairs_show(metric):
    rows = unit_rows(clustered()) if metric == "cosine" else clustered()
    index, value = nearest(rows, 7, metric, exact_rows=600)
    wanted, values = all_pairs(rows, 7, metric)
    assert index.tolist() == wanted.tolist() and index.dtype == np.int32 and value.dtype == np.float32
    np.testing.assert_allclose(value, values, rtol=1e-6)


def test_only_the_row_itself_is_left_out_and_duplicates_come_first_by_row():
    rows = clustered(40)
    rows[[5, 11, 30]] = rows[2]
    index, value = nearest(rows, 4, "euclidean", exact_rows=40)
    assert [index[i, :3].tolist() for i in (2, 5, 11, 30)] == [[5, 11, 30], [2, 11, 30], [2, 5, 30], [2, 5, 11]]
    assert (value[[2, 5, 11, 30], :3] == 0).all() and (value[[2, 5, 11, 30], 3] > 0).all()
    assert not (index == np.arange(40)[:, None]).any()


def test_near_duplicates_far_from_the_origin_are_told_apart():
    """Their distances are lost in float32 norms and products, by which faiss searches pools of this size."""
    rows = clustered(3000, d=64)
    rows[:8] = 300 + np.random.default_rng(0).normal(size=(8, 64)) / 100
    index, value = nearest(rows, 2, "euclidean", exact_rows=3000)
    wanted, values = all_pairs(rows[:8], 2, "euclidean")
    assert index[:8].tolist() == wanted.tolist()
    np.testing.assert_allclose(value[:8], values, rtol=1e-6)


@pytest.mark.parametrize("exact_rows", [20, 10])
def test_identical_rows_neighbour_each_other_in_row_order(exact_rows):
    index, value = nearest(np.ones((20, 4), np.float32), 3, "euclidean", exact_rows)
    assert index[:4].tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]] and index[19].tolist() == [0, 1, 2]
    assert not value.any()


@pytest.mark.parametrize(("n", "k", "width"), [(1, 5, 0), (4, 5, 3), (6, 5, 5), (0, 5, 0)])
def test_a_small_pool_has_the_neighbours_it_has(n, k, width):
    index, value = nearest(clustered(n), k, "euclidean", exact_rows=100)
    assert index.shape == value.shape == (n, max(width, 0))
    assert all(sorted([i, *row]) == list(range(n)) for i, row in enumerate(index.tolist()) if width == n - 1)


def test_a_zero_row_stays_zero_and_has_cosine_0_to_all():
    rows = unit_rows(np.vstack([np.zeros((1, 16), np.float32), clustered(50)]))
    assert not rows[0].any() and np.allclose(np.linalg.norm(rows[1:], axis=1), 1)
    index, value = nearest(rows, 5, "cosine", exact_rows=100)
    assert index[0].tolist() == [1, 2, 3, 4, 5] and not value[0].any() and np.isfinite(value).all()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_lists_find_nearly_all_with_true_values_and_never_come_up_short(metric):
    rows = unit_rows(clustered(12000, d=6, seed=1))
    index, value = nearest(rows, 3, metric, exact_rows=100)
    wanted, _ = nearest(rows, 3, metric, exact_rows=12000)
    found = np.mean([len(np.intersect1d(a, b)) for a, b in zip(index, wanted, strict=False)]) / 3
    assert found > 0.97 and index.min() >= 0 and not (index == np.arange(12000)[:, None]).any()
    assert all(len(set(row)) == 3 for row in index.tolist())
    pairs = rows[:, None].astype(np.float64), rows[index].astype(np.float64)
    true = np.linalg.norm(pairs[0] - pairs[1], axis=2) if metric == "euclidean" else (pairs[0] * pairs[1]).sum(2)
    np.testing.assert_allclose(value, true, rtol=1e-5, atol=1e-6)


def test_short_lists_are_made_up_for_by_an_exact_search():
    """Far groups of 3: the 16 lists next to a row hold fewer rows than are asked for."""
    rng = np.random.default_rng(0)
    rows = (np.repeat(rng.normal(size=(200, 8)) * 50, 3, axis=0) + 0.01 * rng.normal(size=(600, 8))).astype(np.float32)
    index, _ = nearest(rows, 150, "euclidean", exact_rows=100)
    assert index.shape == (600, 150) and index.min() >= 0 and all(len(set(row)) == 150 for row in index.tolist())
    assert all(set(row[:2]) == set(range(i // 3 * 3, i // 3 * 3 + 3)) - {i} for i, row in enumerate(index.tolist()))


@pytest.mark.parametrize("exact_rows", [10000, 100])
def test_workers_change_no_byte(monkeypatch, exact_rows):
    rows, made = clustered(9000, d=8), []
    for workers in ("1", "2"):
        monkeypatch.setenv("CADC_WORKERS", workers)
        made.append(b"".join(array.tobytes() for array in nearest(rows, 5, "euclidean", exact_rows)))
    assert made[0] == made[1]


def test_features_that_are_not_finite_are_named():
    rows = clustered(30)
    rows[[7, 9], 3] = np.nan, np.inf
    with pytest.raises(InputError, match=r"^a feature is not finite .* in row 7, 9 \(2 of \d+\); has the proxy"):
        nearest(rows, 5, "euclidean", exact_rows=100)


def test_the_tree_knows_the_highest_of_those_taking_part():
    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 64, 77):
        scores, there = rng.integers(4, size=n).astype(np.float64), rng.random(n) < 0.7
        tree = knock_out(scores, there)
        for _ in range(200):
            best = min(np.flatnonzero(there), key=lambda i: (-scores[i], i), default=-1)
            assert tree[1] == best
            i = rng.integers(n)
            scores[i], there[i] = rng.integers(4), rng.random() < 0.7
            settle(tree, scores, i, there[i])
