"""Score selectors: which part of the sorted rows each takes, and what happens where scores say nothing."""

import importlib

import numpy as np
import pytest

from cadc.config.errors import InputError
from cadc.selectors.clip_score import clip_scores
from cadc.selectors.shared.band import rows_in_band
from cadc.selectors.signal import Signal

PARAMS = {
    "el2n": {"snapshot": -1, "band": "middle"},
    "perplexity": {"snapshot": -1, "band": "middle"},
    "clip_score": {},
    "length": {},
    "predictive_entropy": {"snapshot": -1},
}
BY_SNAPSHOT = ("el2n", "nll", "entropy")


def unit(values):
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def pool(n=101, seed=0):
    rng = np.random.default_rng(seed)
    arrays = {
        "el2n": rng.uniform(0, 1.4, (3, n)).astype(np.float32),
        "nll": rng.gamma(2.0, 1.0, (3, n)).astype(np.float32),
        "entropy": rng.gamma(2.0, 1.0, (3, n)).astype(np.float32),
    }
    arrays |= {
        "image": unit(rng.normal(size=(n, 8))),
        "text": unit(rng.normal(size=(n, 8))),
        "words": rng.permutation(n) + 1,
    }
    return Signal(n, np.zeros(n), arrays)


def constant(n=40):
    ones = np.full((n, 4), 0.5, np.float32)
    return Signal(
        n,
        np.zeros(n),
        {
            "el2n": np.ones((2, n), np.float32),
            "nll": np.ones((2, n), np.float32),
            "entropy": np.ones((2, n), np.float32),
            "image": ones,
            "text": ones,
            "words": np.ones(n, int),
        },
    )


def chosen(method, signal, n, seed=0, **changes):
    module = importlib.import_module(f"cadc.selectors.{method}")
    return module.select(signal, n, module.Params(**(PARAMS[method] | changes)), np.random.default_rng(seed)).row


@pytest.mark.parametrize("n_rows", range(8))
def test_the_middle_is_in_range_for_every_budget(n_rows):
    for n in range(n_rows + 1):
        rows = rows_in_band(np.arange(n_rows)[::-1], n, "middle")
        ranks = sorted((n_rows - 1 - rows).tolist())
        start = n_rows // 2 - n // 2
        assert ranks == list(range(start, start + n)) and (n == 0 or 0 <= start <= n_rows - n)


def test_bands_take_what_they_are_named_for_and_ties_go_by_row():
    scores = np.array([2.0, 5.0, 1.0, 5.0, 2.0, 0.0])
    assert rows_in_band(scores, 3, "top").tolist() == [1, 3, 0] and rows_in_band(scores, 3, "bottom").tolist() == [
        5,
        2,
        0,
    ]
    assert rows_in_band(scores, 2, "middle").tolist() == [0, 4]
    assert [rows_in_band(np.zeros(9), 3, band).tolist() for band in ("top", "bottom", "middle")] == [
        [0, 1, 2],
        [0, 1, 2],
        [3, 4, 5],
    ]


def test_a_row_without_a_score_is_named():
    with pytest.raises(InputError, match="row 2"):
        rows_in_band(np.array([1.0, 2.0, np.nan]), 1, "top")


@pytest.mark.parametrize("method", PARAMS)
@pytest.mark.parametrize("n", [0, 1, 50, 101])
def test_budgets_are_exact_and_results_repeat(method, n):
    rows = chosen(method, pool(), n)
    assert len(np.unique(rows)) == len(rows) == n and np.isin(rows, np.arange(101)).all()
    assert rows.tolist() == chosen(method, pool(), n).tolist()


@pytest.mark.parametrize("method", PARAMS)
def test_constant_scores_are_taken_in_row_order(method):
    first = 15 if method in ("el2n", "perplexity") else 0
    assert sorted(chosen(method, constant(), 10).tolist()) == list(range(first, first + 10))


@pytest.mark.parametrize("method", PARAMS)
def test_a_single_row_is_chosen(method):
    assert chosen(method, pool(1), 1).tolist() == [0]


@pytest.mark.parametrize("method", PARAMS)
def test_the_order_of_the_pool_does_not_matter(method):
    given, order = pool(), np.random.default_rng(5).permutation(101)
    arrays = {name: array[:, order] if name in BY_SNAPSHOT else array[order] for name, array in given.arrays.items()}
    assert set(order[chosen(method, Signal(101, given.task, arrays), 30)].tolist()) == set(
        chosen(method, given, 30).tolist()
    )


@pytest.mark.parametrize("method", PARAMS)
def test_rows_are_trained_on_in_random_order(method):
    first, second = (chosen(method, pool(), 50, seed=s) for s in (0, 1))
    assert first.tolist() != second.tolist() and set(first.tolist()) == set(second.tolist())


@pytest.mark.parametrize(("method", "array"), [("el2n", "el2n"), ("perplexity", "nll")])
def test_the_middle_of_the_last_snapshot(method, array):
    given = pool()
    for snapshot in (-1, 0):
        ascending = np.argsort(given[array][snapshot])
        assert set(chosen(method, given, 21, snapshot=snapshot).tolist()) == set(ascending[40:61].tolist())
        assert set(chosen(method, given, 21, snapshot=snapshot, band="top").tolist()) == set(ascending[80:].tolist())


def test_a_hopeless_answer_has_a_finite_place():
    """exp(2000) is beyond any float; the two rows still differ."""
    given = Signal(3, np.zeros(3), {"nll": np.array([[2000.0, 1.0, 3000.0]], np.float32)})
    with np.errstate(all="raise"):
        assert chosen("perplexity", given, 1, band="top").tolist() == [2] and chosen(
            "perplexity", given, 1
        ).tolist() == [0]


def test_clip_score_is_the_clipped_cosine_and_0_without_an_image():
    image = np.array([[1, 0], [1, 0], [0, 0], [0.6, 0.8]], np.float32)
    text = np.array([[1, 0], [-1, 0], [0, 1], [0, 1]], np.float32)
    np.testing.assert_allclose(clip_scores(image, text), [2.5, 0, 0, 2], rtol=1e-6)
    given = Signal(4, np.zeros(4), {"image": image, "text": text})
    assert [set(chosen("clip_score", given, n).tolist()) for n in (1, 2, 3)] == [{0}, {0, 3}, {0, 1, 3}]


def test_the_longest_answers_are_chosen():
    given = pool()
    assert set(chosen("length", given, 20).tolist()) == set(np.flatnonzero(given["words"] > 81).tolist())


def test_the_least_sure_rows_of_a_snapshot_are_chosen():
    given = pool()
    for snapshot in (-1, 0):
        ascending = np.argsort(given["entropy"][snapshot])
        assert set(chosen("predictive_entropy", given, 20, snapshot=snapshot).tolist()) == set(ascending[-20:].tolist())


@pytest.mark.parametrize("method", ["el2n", "perplexity", "predictive_entropy"])
@pytest.mark.parametrize("snapshot", [3, -4])
def test_a_snapshot_that_was_not_taken_is_refused(method, snapshot):
    with pytest.raises(InputError, match=rf"select.snapshot is {snapshot}, but the proxy has 3 snapshots"):
        chosen(method, pool(), 5, snapshot=snapshot)
