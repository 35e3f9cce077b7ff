"""Whether influence tells what training does: LDS and leave-group-out are rank correlations over sets of rows."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from cadc.capabilities.truth import mean_spearman, set_influence, truth

BENCHMARK = Path(__file__).parents[2] / "benchmarks/influence_truth.py"


def test_the_score_is_the_mean_over_subtasks_of_spearmans_correlation():
    rng = np.random.default_rng(0)
    predicted, outcome = rng.integers(9, size=(40, 5)).astype(float), rng.normal(size=(40, 5))  # with ties
    expected = np.mean([spearmanr(predicted[:, s], outcome[:, s]).statistic for s in range(5)])
    assert mean_spearman(predicted, outcome) == pytest.approx(expected)
    assert mean_spearman(outcome, np.exp(outcome)) == pytest.approx(1) == -mean_spearman(outcome, -outcome)
    assert mean_spearman(np.ones((40, 5)), outcome) == 0


def test_a_set_has_the_sum_of_its_rows():
    attribution = np.arange(12.0).reshape(4, 3)
    assert set_influence(attribution, [np.array([0, 2]), np.array([3])]).tolist() == [[6, 8, 10], [9, 10, 11]]


def test_what_moves_all_subtasks_alike_is_left_out_of_what_sets_them_apart():
    rng = np.random.default_rng(1)
    shared = 5 * rng.normal(size=(200, 1))
    predicted, outcome = shared + rng.normal(size=(200, 6)), shared + rng.normal(size=(200, 6))
    together, apart = truth(predicted, outcome, draws=200)
    assert together[0] > 0.9 and abs(apart[0]) < 0.1
    assert together[1] < together[0] < together[2] and apart[1] < 0 < apart[2]
    assert truth(predicted, outcome, draws=200) == (together, apart)  # the same draws


def test_influence_that_is_the_truth_is_found_over_halves_and_over_groups():
    """Loss that is linear in the rows: the true influences reach 1, and are hurt by noise."""
    rng = np.random.default_rng(2)
    influence = rng.normal(size=(60, 4))
    halves = [rng.permutation(60)[:30] for _ in range(50)]
    groups = np.array_split(rng.permutation(60), 12)
    loss = 9 - set_influence(influence, halves)
    without = 9 - np.stack([np.delete(influence, group, 0).sum(0) for group in groups])
    for sets, outcome in ((halves, -loss), (groups, without)):
        assert truth(set_influence(influence, sets), outcome)[0] == pytest.approx((1, 1, 1))
        noisy = truth(set_influence(influence + rng.normal(size=influence.shape), sets), outcome)[0]
        assert 0.3 < noisy[0] < 0.95


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARK.parent)  # it imports the module that names commits
    spec = importlib.util.spec_from_file_location("influence_truth", BENCHMARK)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    return benchmark


def test_two_bases_stand_in_one_table(benchmark):
    bases = [
        {"name": name, "commit": "0123abcd", "halves": 3, "groups": 2, "rows": 4000, "subtasks": 67,
         "figures": [["cosine", [x, x - 0.1, x + 0.1], [x, x, x], None, None]]}
        for name, x in (("before", 0.1), ("after", 0.3))
    ]  # fmt: skip
    text = benchmark.report(bases)
    before = text.index("| cosine | before | 0.100 (0.000 to 0.200) | 0.100 (0.100 to 0.100) |  |  |\n")
    assert text.index("| cosine | after | 0.300 (0.200 to 0.400)") > before
    assert "- **after**: 3 halves of 4,000 rows, 2 groups, 67 subtasks. Measured at commit 0123abcd." in text


def test_a_base_is_added_or_put_in_the_place_of_its_old_figures(benchmark):
    first, second, again = ({"name": name, "halves": n} for name, n in (("a", 1), ("b", 2), ("a", 3)))
    one = benchmark.with_base(None, first, "pool")
    assert one == {"made_from": "pool", "bases": [first]}
    both = benchmark.with_base(one, second, "pool")
    assert both["bases"] == [first, second]
    assert benchmark.with_base(both, again, "pool")["bases"] == [again, second]
    assert benchmark.with_base(both, again, "another pool") == {"made_from": "another pool", "bases": [again]}
