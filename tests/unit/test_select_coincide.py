"""COINCIDE: exact budgets on any clusters, the share rule's limits, and MMD as it is defined."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadc.selectors.coincide import Params, describe, measure, select
from cadc.selectors.shared.kmeans import spherical_kmeans
from cadc.selectors.shared.mmd import greedy_mmd, kernel_sums, rbf_kernel
from cadc.selectors.shared.transfer_density import cluster_shares, released_shares, transferability
from cadc.selectors.signal import Signal

N, LAYERS, WIDTH = 300, 2, 8

PARAMS = Params(
    clusters=12,
    iterations=5,
    seed=0,
    points_per_cluster=256,
    temperature=0.1,
    neighbor_threshold=0.9,
    gamma=1.0,
    variant="paper",
)

VARIANTS = pytest.mark.parametrize("variant", ["paper", "released"])


def activations(n=N, seed=0, text_only=0.2, kinds=8):
    """Rows around a few centres, each block unit, the visual ones of some rows zero."""
    rng = np.random.default_rng(seed)
    blocks = rng.normal(size=(kinds, LAYERS, 2, WIDTH))[rng.integers(kinds, size=n)] + 0.4 * rng.normal(
        size=(n, LAYERS, 2, WIDTH)
    )
    blocks /= np.linalg.norm(blocks, axis=-1, keepdims=True)
    blocks[rng.random(n) < text_only, :, 0] = 0
    return blocks.astype(np.float16)


def signal(array):
    return Signal(len(array), np.full(len(array), "a"), {"activations": array})


def rows_of(measured, n, seed=0, **changes):
    return select(measured, n, PARAMS.model_copy(update=changes), np.random.default_rng(seed)).row


def assert_exact(rows, n, n_rows=N):
    assert len(rows) == len(set(rows.tolist())) == n and (n == 0 or (rows.min() >= 0 and rows.max() < n_rows))


@pytest.fixture(scope="module")
def measured():
    return measure(signal(activations()), PARAMS)


@VARIANTS
@pytest.mark.parametrize("temperature", [1e-12, 0.1, 1e12])
@pytest.mark.parametrize("n", [0, 1, 7, 150, N - 1, N])
def test_budgets_are_exact_at_any_temperature(measured, n, temperature, variant):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert_exact(rows_of(measured, n, temperature=temperature, variant=variant), n)


@VARIANTS
@settings(max_examples=60, deadline=None)
@given(
    clusters=st.lists(st.tuples(st.floats(-20, 20), st.integers(0, 40)), min_size=1, max_size=30),
    fraction=st.floats(0, 1),
    temperature=st.sampled_from([1e-12, 0.01, 1.0, 1e12]),
)
def test_shares_are_exact_and_within_the_clusters(variant, clusters, fraction, temperature):
    score, sizes = np.array([c[0] for c in clusters]), np.array([c[1] for c in clusters])
    n = int(fraction * sizes.sum())
    shares = cluster_shares(score, sizes, n, temperature, variant)
    assert shares.sum() == n and (shares >= 0).all() and (shares <= sizes).all()


@VARIANTS
def test_shares_follow_the_softmax_and_its_limits(variant):
    score, sizes = np.log([1.0, 2.0, 5.0]), np.array([100, 100, 100])
    assert cluster_shares(score, sizes, 80, 1.0, variant).tolist() == [10, 20, 50]
    # Cold: the best is emptied, then the next.
    assert cluster_shares(score, sizes, 120, 1e-12, variant).tolist() == [0, 20, 100]
    assert cluster_shares(score, sizes, 90, 1e12, variant).tolist() == [30, 30, 30]
    assert cluster_shares(np.full(3, 4.0), sizes, 8, 0.1, variant).sum() == 8
    with pytest.raises(ValueError, match="exceeds the 300 rows"):
        cluster_shares(score, sizes, 301, 1.0, variant)


def test_a_full_cluster_s_surplus_goes_to_all_others_by_their_share_but_as_released_only_to_those_after_it():
    score, sizes = np.log([4.0, 3.0, 1.0]), np.array([100, 8, 100])
    assert cluster_shares(score, sizes, 80, 1.0, "paper").tolist() == [58, 8, 14]  # 72 rows, 4 : 1
    assert cluster_shares(score, sizes, 80, 1.0, "released").tolist() == [40, 8, 32]


def test_as_released_the_last_cluster_leaves_open_what_it_can_t_fill_and_others_fill_it():
    score, sizes = np.log([6.0, 3.0, 1.0]), np.array([100, 100, 2])
    assert released_shares(score, sizes, 50, 1.0).tolist() == [30, 15, 2]
    assert cluster_shares(score, sizes, 50, 1.0, "released").tolist() == [32, 16, 2]


def test_largest_remainders_where_the_released_code_rounds():
    score, sizes = np.log([5.0, 5.0, 5.0, 1.0]), np.full(4, 9)  # quotas 1.5625 three times and 0.3125
    assert cluster_shares(score, sizes, 5, 1.0, "paper").tolist() == [2, 2, 1, 0]
    assert cluster_shares(score, sizes, 5, 1.0, "released").tolist() == [2, 1, 2, 0]


def test_transferability_is_the_mean_cosine_of_language_halves_to_clusters_that_say_something_else():
    e = np.eye(WIDTH)
    language = np.array([e[0], e[0], e[1], (e[0] + e[1]) / np.sqrt(2), np.zeros(WIDTH)])
    half = np.sqrt(0.5)
    np.testing.assert_allclose(
        transferability(language, 0.9), [half / 3, half / 3, half / 4, 3 * half / 4, 0], atol=1e-7
    )
    assert transferability(language[:1], 1.0).tolist() == [0.0]  # never with itself
    assert transferability(language[:2], 0.9).tolist() == [0.0, 0.0]


def test_a_dense_cluster_gives_less_than_a_sparse_one_as_transferable():
    rng = np.random.default_rng(1)
    language = np.repeat(np.eye(WIDTH)[:2], 50, axis=0)
    visual = np.repeat(np.eye(WIDTH)[2:3], 100, axis=0) + np.repeat([[0.05], [2.0]], 50, axis=0) * rng.normal(
        size=(100, WIDTH)
    )
    visual /= np.linalg.norm(visual, axis=1, keepdims=True)
    features = np.concatenate([visual, language], axis=1)
    cluster = np.repeat([0, 1], 50)
    centroids = np.stack(
        [np.r_[np.eye(WIDTH)[2], half] for half in np.array([[0.8, 0.6], [0.6, 0.8]]) @ np.eye(WIDTH)[:2]]
    )
    described = describe(features, cluster, centroids, 1, PARAMS.model_copy(update={"neighbor_threshold": 0.99}))
    dense, sparse = np.bincount(cluster[rows_of(described, 40, temperature=1.0)], minlength=2)
    assert 0 < dense < sparse


def test_the_kernel_compares_rows_that_are_unit_with_an_image_and_shorter_without():
    array = activations(40)
    features = array.reshape(40, -1)
    cluster, centroids = spherical_kmeans(features, 3, 5, 0)
    described = describe(features, cluster, centroids, LAYERS, PARAMS)
    unit = features.astype(np.float64) / np.sqrt(2 * LAYERS)
    np.testing.assert_allclose(
        np.linalg.norm(unit, axis=1), np.where(array[:, 0, 0].any(1), 1, np.sqrt(0.5)), atol=1e-3
    )
    for rows, sums in zip(described.rows, described.sums, strict=True):
        distance = ((unit[rows][:, None] - unit[rows][None]) ** 2).sum(-1)
        np.testing.assert_allclose(sums, np.exp(-distance / 2).sum(1), rtol=1e-7)


def test_greedy_mmd_minimises_mmd():
    """The plain definition, every candidate's MMD^2 computed anew."""
    x = np.random.default_rng(2).normal(size=(25, 4))
    kernel, picked = rbf_kernel(x, x, 1.5), []
    for _ in range(25):
        after = {i: [*picked, i] for i in range(25) if i not in picked}
        mmd = {i: kernel.mean() + kernel[np.ix_(s, s)].mean() - 2 * kernel[:, s].mean() for i, s in after.items()}
        picked.append(min(mmd, key=mmd.get))
    made = greedy_mmd(x, kernel_sums(x, 1.5), 25, 1.5)
    assert made.tolist() == picked and made[0] == kernel.mean(0).argmax()


def test_greedy_mmd_takes_copies_by_position_and_each_kind_by_its_weight():
    x = np.repeat(np.eye(3), [6, 3, 3], axis=0)[np.random.default_rng(0).permutation(12)]
    made = greedy_mmd(x, kernel_sums(x, 0.3), 12, 0.3)
    kind = x.argmax(1)
    assert np.bincount(kind[made[:4]]).tolist() == [2, 1, 1]
    for k in range(3):
        assert made[kind[made] == k].tolist() == np.flatnonzero(kind == k).tolist()


def test_blocks_change_no_kernel_sum(monkeypatch):
    x = np.random.default_rng(3).normal(size=(50, 4))
    whole = kernel_sums(x, 1.0)
    monkeypatch.setattr("cadc.selectors.shared.mmd.BLOCK", 170)
    assert np.array_equal(kernel_sums(x, 1.0), whole) and np.array_equal(whole, rbf_kernel(x, x, 1.0).sum(0))


@VARIANTS
def test_all_rows_alike_and_one_cluster(variant):
    alike = signal(np.repeat(activations(1, text_only=0), N, axis=0))
    for changes in ({}, {"clusters": 1}):
        described = measure(alike, PARAMS.model_copy(update=changes))
        for n in (0, 1, 60, N):
            assert_exact(rows_of(described, n, variant=variant), n)
    assert sorted(rows_of(described, 3).tolist()) == [0, 1, 2]  # ties by row
    one = measure(signal(activations()), PARAMS.model_copy(update={"clusters": 1}))
    assert len(one.rows) == 1 and one.score.tolist() == [0.0]
    assert_exact(rows_of(one, 60, variant=variant), 60)


def test_rows_without_an_image_or_without_anything(measured):
    only_text = activations(text_only=1.0)
    assert not only_text[:, :, 0].any()
    for array in (
        only_text,
        np.zeros_like(only_text),
        np.concatenate([only_text[:150], np.zeros_like(only_text[:150])]),
    ):
        described = measure(signal(array), PARAMS)
        assert np.isfinite(described.score).all()
        assert_exact(rows_of(described, 77), 77)


def test_an_empty_cluster_is_none():
    array = activations()
    features = array.reshape(N, -1)
    cluster, centroids = spherical_kmeans(features, 6, 5, 0)
    stray = np.random.default_rng(5).normal(size=centroids.shape[1])
    with_empty = np.insert(centroids, 2, stray / np.linalg.norm(stray), axis=0)
    described = describe(features, np.where(cluster >= 2, cluster + 1, cluster), with_empty, LAYERS, PARAMS)
    plain = describe(features, cluster, centroids, LAYERS, PARAMS)
    assert len(described.rows) == 6 and np.array_equal(described.score, plain.score)
    assert rows_of(described, 90).tolist() == rows_of(plain, 90).tolist()


def test_a_seed_changes_the_order_and_nothing_else(measured):
    rows, again, other = rows_of(measured, 60), rows_of(measured, 60), rows_of(measured, 60, seed=1)
    assert rows.tolist() == again.tolist() != other.tolist() and sorted(rows) == sorted(other)
    twice = measure(signal(activations()), PARAMS)
    assert rows_of(twice, 60).tolist() == rows.tolist()


@VARIANTS
def test_permuting_the_pool_permutes_the_selection(variant):
    features = activations().reshape(N, -1)
    cluster, centroids = spherical_kmeans(features, 10, 5, 0)
    order = np.random.default_rng(4).permutation(N)
    rows = rows_of(describe(features, cluster, centroids, LAYERS, PARAMS), 90, variant=variant)
    moved = rows_of(describe(features[order], cluster[order], centroids, LAYERS, PARAMS), 90, variant=variant)
    assert set(rows.tolist()) == {int(order[row]) for row in moved} != set(moved.tolist())


def test_values_out_of_range_are_refused():
    for change in (
        {"temperature": 0},
        {"gamma": 0},
        {"neighbor_threshold": 1.1},
        {"variant": "mine"},
        {"clusters": 0},
        {"tau": 1},
    ):
        with pytest.raises(ValueError):
            Params(**(PARAMS.model_dump() | change))
