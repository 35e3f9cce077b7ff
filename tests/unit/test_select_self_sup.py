"""Self-Sup: the rows closest to their centroid, ties by row."""

import numpy as np
from test_select_coincide import assert_exact

from cadc.selectors import self_sup
from cadc.selectors.shared.band import rows_in_band
from cadc.selectors.signal import Signal


def test_self_sup_keeps_the_rows_closest_to_their_centroid_whatever_their_length():
    rng = np.random.default_rng(0)
    away = rng.permutation(np.linspace(0.01, 1, 100))
    hidden = np.stack([np.ones(200), np.r_[away, -away], np.zeros(200)], axis=1)  # about the first axis, in pairs
    hidden = (hidden * rng.uniform(0.1, 10, size=(200, 1))).astype(np.float32)
    hidden[-1] = hidden[99] = 0
    params = self_sup.Params(clusters=1, iterations=20, seed=0, points_per_cluster=256)
    cosine = self_sup.measure(Signal(200, np.full(200, "a"), {"hidden": hidden}), params)
    np.testing.assert_allclose(cosine[:99], 1 / np.sqrt(1 + away[:99] ** 2), atol=1e-5)
    assert cosine[99] == cosine[199] == 0
    for n in (0, 1, 40, 200):
        rows, again = (self_sup.select(cosine, n, params, np.random.default_rng(0)).row for _ in range(2))
        assert_exact(rows, n, 200)
        assert rows.tolist() == again.tolist()
    chosen = self_sup.select(cosine, 60, params, np.random.default_rng(0)).row % 100
    assert sorted(away[chosen]) == sorted(np.repeat(np.sort(np.delete(away, 99))[:30], 2))
    assert rows_in_band(np.array([0.5, 0.9, 0.5, 0.9, 0.5]), 4, "top").tolist() == [1, 3, 0, 2]


def test_self_sup_on_several_clusters_of_rows_with_copies():
    hidden = np.repeat(np.random.default_rng(1).normal(size=(20, 6)), 10, axis=0).astype(np.float32)
    params = self_sup.Params(clusters=5, iterations=10, seed=0, points_per_cluster=256)
    cosine = self_sup.measure(Signal(200, np.full(200, "a"), {"hidden": hidden}), params)
    chosen = self_sup.select(cosine, 45, params, np.random.default_rng(0)).row
    kinds, counts = np.unique(chosen // 10, return_counts=True)
    # Copies are as close as each other: whole kinds, the last by row.
    assert sorted(counts.tolist()) == [5, 10, 10, 10, 10]
    last = kinds[counts == 5][0]
    assert sorted(chosen[chosen // 10 == last].tolist()) == list(range(last * 10, last * 10 + 5))
