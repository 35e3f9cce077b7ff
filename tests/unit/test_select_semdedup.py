"""SemDeDup: copies go first, budgets are exact, and the cut is even over clusters."""

import numpy as np
import pytest

from cadc.selectors import semdedup
from cadc.selectors.semdedup import (
    Measured,
    Params,
    compared_rows,
    keeping_order,
    measure,
    nearest_in_front,
    select,
    within_budget,
)
from cadc.selectors.shared.kmeans import centroid_cosine, spherical_kmeans
from cadc.selectors.signal import Signal

N = 300
PARAMS = Params(clusters=10, iterations=5, seed=0, points_per_cluster=256, view="both", keep="hard")
RANDOM = np.random.default_rng


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def signal(seed=0, n=N, text_only=30):
    rng = RANDOM(seed)
    image, text = unit(rng.normal(size=(n, 16))), unit(rng.normal(size=(n, 12)))
    image[:text_only] = 0
    return Signal(n, np.full(n, "a"), {"image": image, "text": text})


def rows_of(measured, n, seed=0):
    return select(measured, n, PARAMS, RANDOM(seed)).row


def assert_exact(rows, n, n_rows=N):
    assert len(rows) == len(set(rows.tolist())) == n and (n == 0 or (rows.min() >= 0 and rows.max() < n_rows))


def in_fixed_clusters(features, assignment, centroids, keep="hard"):
    order = keeping_order(assignment, len(centroids), centroid_cosine(features, assignment, centroids), keep, RANDOM(0))
    nearest = np.zeros(len(features))
    for rows in order:
        nearest[rows] = nearest_in_front(features[rows])
    return Measured(order, nearest)


@pytest.mark.parametrize("view", ["image", "text", "both"])
@pytest.mark.parametrize("keep", ["hard", "easy", "random"])
def test_budgets_are_exact_and_results_repeat(view, keep):
    params = PARAMS.model_copy(update={"view": view, "keep": keep})
    measured = measure(signal(), params)
    for n in (0, 1, 5, 150, N - 1, N):
        assert_exact(rows_of(measured, n), n)
        assert rows_of(measured, n).tolist() == rows_of(measure(signal(), params), n).tolist()
    assert rows_of(measured, 100).tolist() != rows_of(measured, 100, seed=1).tolist()


def test_what_is_kept_are_the_rows_least_like_one_in_front_of_them():
    measured = measure(signal(), PARAMS)
    for n in (60, 150, 290):
        rows = rows_of(measured, n)
        left_out = np.setdiff1d(np.arange(N), rows)
        assert measured.nearest[rows].max() <= measured.nearest[left_out].min()


def test_every_row_is_compared_with_those_in_front_of_it_alone(monkeypatch):
    x = unit(RANDOM(1).normal(size=(70, 5))).astype(np.float64)
    plain = [max([0.0, *(float(x[i] @ x[j]) for j in range(i))]) for i in range(70)]
    np.testing.assert_allclose(nearest_in_front(x), plain, atol=1e-6)
    whole = nearest_in_front(x)
    monkeypatch.setattr(semdedup, "TILE", 16)
    assert np.array_equal(nearest_in_front(x), whole)
    assert nearest_in_front(x[:1]).tolist() == [0.0] and nearest_in_front(x[:0]).tolist() == []


def test_of_copies_one_stays_before_a_second_of_any():
    base = unit(RANDOM(2).normal(size=(50, 16)))
    kind = RANDOM(3).permutation(np.repeat(np.arange(50), 6))
    features = base[kind]
    assignment, centroids = spherical_kmeans(features, 8, 10, 0)
    measured = in_fixed_clusters(features, assignment, centroids)
    rows = within_budget(measured, 50, RANDOM(0))
    assert sorted(kind[rows].tolist()) == list(range(50))
    assert sorted(rows.tolist()) == sorted(np.unique(kind, return_index=True)[1].tolist())  # of copies the first row
    assert np.flatnonzero(measured.nearest <= 1 - 1e-3).tolist() == sorted(rows.tolist())
    assert (np.unique(measured.nearest[measured.nearest > 0.999]) == 1.0).all()


def test_the_surplus_is_trimmed_evenly_and_not_in_cluster_order():
    order = [np.arange(0, 40), np.arange(40, 60), np.arange(60, 80), np.arange(80, 80)]
    nearest = np.full(80, 0.5)
    nearest[[0, 40, 60]] = 0.0
    measured = Measured(order, nearest)
    rows = within_budget(measured, 3 + 38, RANDOM(0))  # 77 tied rows, half of them
    assert abs(np.bincount(np.searchsorted([40, 60], rows, side="right")) - [20.25, 10.4, 10.4]).max() < 1
    assert {0, 40, 60} <= set(rows.tolist())
    for part in order[:3]:  # of each cluster those that stand first
        own = np.intersect1d(rows, part)
        assert own.tolist() == part[: len(own)].tolist()
    one_each = Measured([np.array([k]) for k in range(40)], np.zeros(40))
    drawn = [set(within_budget(one_each, 10, RANDOM(seed)).tolist()) for seed in range(5)]
    assert all(len(d) == 10 for d in drawn) and len(set(map(frozenset, drawn))) == 5


def test_order_of_keeping():
    cosine, assignment = np.array([0.9, 0.5, 0.9, 0.7, 0.1]), np.array([0, 0, 0, 0, 2])
    assert [rows.tolist() for rows in keeping_order(assignment, 3, cosine, "hard", RANDOM(0))] == [
        [1, 3, 0, 2],
        [],
        [4],
    ]
    assert keeping_order(assignment, 3, cosine, "easy", RANDOM(0))[0].tolist() == [0, 2, 3, 1]
    assert {tuple(keeping_order(assignment, 3, cosine, "random", RANDOM(s))[0].tolist()) for s in range(300)} > {
        (0, 1, 2, 3),
        (3, 2, 1, 0),
    }


def test_views_and_rows_without_an_image():
    given = signal()
    image, text = given["image"], given["text"]
    both = compared_rows(image, text, "both")
    np.testing.assert_allclose(np.linalg.norm(both, axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(both[:30, 16:], compared_rows(image, text, "text")[:30])
    assert not both[:30, :16].any() and not compared_rows(image, text, "image")[:30].any()
    np.testing.assert_allclose(
        both[30:] @ both[30:].T, (image[30:] @ image[30:].T + text[30:] @ text[30:].T) / 2, atol=1e-6
    )
    assert image[30].any() and np.array_equal(signal()["image"], image)  # inputs are left as they are
    measured = measure(given, PARAMS.model_copy(update={"view": "image"}))
    assert (measured.nearest[:30] == 0).all() and np.isfinite(measured.nearest).all()


@pytest.mark.parametrize("clusters", [1, 10, 1000])
def test_all_rows_alike_one_cluster_and_more_clusters_than_rows(clusters):
    params = PARAMS.model_copy(update={"clusters": clusters})
    alike = Signal(
        N, np.full(N, "a"), {name: np.repeat(signal()[name][40:41], N, axis=0) for name in ("image", "text")}
    )
    nothing = Signal(N, np.full(N, "a"), {name: np.zeros((N, 4), np.float32) for name in ("image", "text")})
    for given in (alike, nothing, signal()):
        measured = measure(given, params)
        for n in (0, 1, 77, N):
            assert_exact(rows_of(measured, n), n)


def test_permuting_the_pool_permutes_the_selection():
    features = unit(RANDOM(7).normal(size=(N, 8)))
    assignment, centroids = spherical_kmeans(features, 6, 5, 0)
    order = RANDOM(8).permutation(N)
    for n in (90, 200):
        rows = rows_of(in_fixed_clusters(features, assignment, centroids), n)
        moved = rows_of(in_fixed_clusters(features[order], assignment[order], centroids), n)
        assert set(rows.tolist()) == {int(order[row]) for row in moved} != set(moved.tolist())
