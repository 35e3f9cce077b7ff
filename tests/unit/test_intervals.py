"""Intervals and differences over seeds and rows: what they cover where it is known. Holm by hand."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import stats
from test_statistics import table

from cadc.evaluation.intervals import Arm, arm_of, difference, holm
from cadc.evaluation.statistics import Samples, measure, relative, row_draws


def two_way(rng, n_seeds, n_rows, seed_sd, row_sd, single_sd, mean=0.5, rows=None):
    """Runs by seed, scored `mean` + seed + row + what a single answer adds, each normal with its own sd."""
    seeds = rng.normal(0, seed_sd, n_seeds)
    rows = rng.normal(0, row_sd, n_rows) if rows is None else rows
    scores = mean + seeds[:, None] + rows + rng.normal(0, single_sd, (n_seeds, n_rows))
    same, no = np.full(n_rows, "gqa"), np.zeros(n_rows, bool)
    doc, one, zero = np.arange(n_rows), np.ones(n_rows), np.zeros(n_rows)
    return {k: Samples(same, doc, same, same, no, no, score, one, zero) for k, score in enumerate(scores)}


@pytest.mark.parametrize(
    "n_seeds, seed_sd, row_sd", [(3, 0.05, 0.3), (5, 0.05, 0.3), (3, 0.02, 0.3), (5, 0.02, 0.3), (5, 0.05, 0.07)]
)
def test_of_95_percent_intervals_about_95_percent_cover(n_seeds, seed_sd, row_sd):
    rng, n_rows, single_sd = np.random.default_rng(n_seeds), 100, 0.07
    covered, rows_only = [], []
    for _ in range(1000):
        runs = two_way(rng, n_seeds, n_rows, seed_sd, row_sd, single_sd)
        arm = arm_of("a", runs, 100, seed=int(rng.integers(1 << 30)))
        made, (low, high) = arm.estimate("gqa"), np.percentile(arm.draws["gqa"], [2.5, 97.5])
        covered.append(made.low < 50 < made.high)
        rows_only.append(low < 50 < high)
    assert 0.92 <= np.mean(covered) <= 0.98
    of_rows = (row_sd**2 + single_sd**2 / n_seeds) / n_rows  # all that draws of rows with seeds held fixed can see
    share = of_rows / (of_rows + seed_sd**2 / n_seeds)
    assert np.mean(rows_only) == pytest.approx(1 - 2 * stats.norm.sf(1.96 * np.sqrt(share)), abs=0.04)
    assert np.mean(rows_only) < (0.6 if share < 0.2 else 0.95)


@pytest.mark.parametrize("n_seeds, least, most", [(3, 0.915, 0.93), (5, 0.935, 0.95)])
def test_coverage_is_least_where_rows_are_a_tenth_of_the_variance(n_seeds, least, most):
    """The weak spot of Welch's and Satterthwaite's degrees of freedom: few seeds that happen to lie close together."""
    rng, covered = np.random.default_rng(0), []
    rows = {"gqa": np.sqrt(0.1 / 2) * np.array([-1.0, 1.0])}  # of variance 0.1
    for _ in range(10_000):
        values = rng.normal(rng.normal(0, np.sqrt(0.1)), np.sqrt(0.9 * n_seeds), n_seeds)
        made = Arm(tuple(range(n_seeds)), {"gqa": values}, rows, "").estimate("gqa")
        covered.append(made.low < 0 < made.high)
    assert least < np.mean(covered) < most


def test_p_values_are_uniform_where_arms_are_alike():
    rng, p = np.random.default_rng(1), {True: [], False: []}
    for _ in range(500):
        a, b = (two_way(rng, 5, 100, 0.05, 0.2, 0.05) for _ in range(2))
        for paired, other in ((True, b), (False, {seed + 100: run for seed, run in b.items()})):
            made = difference(arm_of("a", a, 100), arm_of("b", other, 100), "gqa")
            assert made.paired == paired and (made.low > 0 or made.high < 0) == (made.p < 0.05)
            p[paired].append(made.p)
    for values in p.values():
        assert 0.02 <= np.mean(np.array(values) < 0.05) <= 0.08


def test_an_interval_is_student_s_of_both_variances():
    arm = Arm((0, 1, 2), {"gqa": np.array([50.0, 54.0, 58.0])}, {"gqa": np.array([53.0, 55.0])}, "")
    between, of_rows = 16 / 3, 2.0
    df = (between + of_rows) ** 2 / (between**2 / 2)
    half = stats.t.ppf(0.975, df) * np.sqrt(between + of_rows)
    assert asdict(arm.estimate("gqa")) == pytest.approx({"mean": 54, "sd": 4, "low": 54 - half, "high": 54 + half})


def test_other_seeds_are_welch_s_and_the_same_seeds_student_s():
    rng = np.random.default_rng(0)
    mine, yours = rng.normal(60, 3, 5), rng.normal(50, 8, 4)
    flat = {"gqa": np.zeros(2)}  # no variance of rows, so that scipy's tests are the same
    a, b = Arm((0, 1, 2, 3, 4), {"gqa": mine}, flat, ""), Arm((5, 6, 7, 8), {"gqa": yours}, flat, "")
    made, welch = difference(a, b, "gqa"), stats.ttest_ind(mine, yours, equal_var=False)
    interval = welch.confidence_interval()
    assert [made.p, made.low, made.high] == pytest.approx([welch.pvalue, interval.low, interval.high])
    assert made.n_seeds == 4 and not made.paired
    one, other = replace(a, seeds=(5, 6, 7, 8), runs={"gqa": mine[:4]}), b
    made, student = difference(one, other, "gqa"), stats.ttest_rel(mine[:4], yours)
    interval = student.confidence_interval()
    assert [made.p, made.low, made.high] == pytest.approx([student.pvalue, interval.low, interval.high])
    assert difference(a, a, "gqa").p == 1


def test_what_two_arms_have_in_common_shortens_their_difference():
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 0.4, 200)
    a = two_way(rng, 5, 200, 0.05, 0, 0.02, rows=rows)
    b = {seed: replace(run, score=run.score + rng.normal(0.05, 0.02, 200)) for seed, run in a.items()}
    later = {seed + 100: run for seed, run in b.items()}
    a, b, later = (arm_of("", runs, 200) for runs in (a, b, later))
    paired, unpaired = (difference(arm, a, "gqa") for arm in (b, later))
    assert paired.high - paired.low < 0.2 * (unpaired.high - unpaired.low)
    # Rows are the same for both, whatever the seeds.
    alone = [arm.estimate("gqa") for arm in (a, later)]
    assert unpaired.high - unpaired.low < 0.9 * np.hypot(*(one.high - one.low for one in alone))


def test_pope_s_splits_are_drawn_together():
    """Their errors are of the images that they share, so that they don't even out over splits."""
    tasks, n_images, per_image = ("pope_adv", "pope_pop", "pope_random"), 60, 4
    rng, n = np.random.default_rng(0), n_images * per_image
    task, doc = np.repeat(tasks, n), np.tile(np.arange(n), 3)
    truth, blind = doc % 2 == 0, rng.random(n_images)[doc // per_image] < 0.4
    says = truth ^ (blind & (rng.random(3 * n) < 0.9))
    meta, one = np.full(3 * n, "pope"), np.ones(3 * n)
    run = Samples(task, doc, task, meta, truth, says, (truth == says).astype(float), one, 0.5 * one, doc // per_image)

    def spread(samples):
        return arm_of("a", {0: samples, 1: samples}, 400).draws["pope_f1"].std()

    apart = replace(run, unit=run.unit + 1000 * np.repeat(range(3), n))
    by_doc = replace(run, unit=None)
    assert spread(run) > 1.5 * spread(apart) and spread(run) > 1.5 * spread(by_doc) > 0
    weights = row_draws(run, 5, rng).reshape(5, 3, n_images, per_image)
    assert (weights == weights[:, :1, :, :1]).all() and weights.std() > 0
    weights = row_draws(by_doc, 5, rng).reshape(5, 3, n)
    assert (weights == weights[:, :1]).all() and weights.std() > 0
    weights = row_draws(apart, 5, rng).reshape(5, 3, n)
    assert (weights != weights[:, :1]).any()


def arms():
    return {
        "full 100%": {seed: Samples.of_table(table(seed, 0.9)) for seed in (0, 1)},
        "cadc 5%": {seed: Samples.of_table(table(seed + 2, 0.6)) for seed in (0, 1)},
    }


def measured(runs, n_bootstrap):
    """The arms of `arms`, or of others like them, at as many draws."""
    return [arm_of(name, own, n_bootstrap) for name, own in runs.items()]


def test_relative_performance_divides_by_full_data_on_the_same_rows():
    whole, part = measured(arms(), 60)
    full, cadc = whole.relative_to(whole), part.relative_to(whole)
    again = measured(arms(), 60)[1].relative_to(whole)
    assert all(again.estimate(name) == cadc.estimate(name) for name in cadc.runs)
    assert full.draws["relative"] == pytest.approx(np.full(60, 100.0))
    rel = cadc.estimate("relative")
    assert rel.low < rel.mean < rel.high and rel.mean < 100 and rel.sd > 0
    figures = [measure(run) for run in arms()["cadc 5%"].values()]
    divisor = {name: np.mean([measure(run)[name] for run in arms()["full 100%"].values()]) for name in figures[0]}
    assert cadc.runs["relative"] == pytest.approx([relative(one, divisor) for one in figures])
    assert "relative" not in part.runs


def test_one_seed_has_no_interval():
    one = {name: {0: runs[0]} for name, runs in arms().items()}
    full, cadc = measured(one, 10)
    estimate, apart = cadc.estimate("pope_f1"), difference(cadc, full, "pope_f1")
    assert np.isfinite([estimate.mean, apart.mean]).all() and apart.n_seeds == 1
    assert np.isnan([estimate.sd, estimate.low, estimate.high, apart.low, apart.high, apart.p]).all()
    against = difference(measured(arms(), 10)[0], cadc, "pope_f1")
    assert np.isnan([against.low, against.high, against.p]).all() and not against.paired


def test_runs_scored_on_other_samples_are_refused():
    odd = arms()
    odd["cadc 5%"] = {seed: Samples.of_table(table().slice(0, 100)) for seed in (0, 1)}
    full, cadc = measured(odd, 2)
    for ask in (lambda: cadc.relative_to(full), lambda: difference(cadc, full, "pope_f1")):
        with pytest.raises(ValueError, match="arms were measured on different samples"):
            ask()
    with pytest.raises(ValueError, match="cadc b05: seeds 1 and 0 were scored on different samples"):
        arm_of("cadc b05", {0: arms()["cadc 5%"][0], 1: odd["cadc 5%"][1]}, 2)
    with pytest.raises(ValueError, match="cadc has no runs"):
        arm_of("cadc", {}, 2)
    with pytest.raises(ValueError, match="n_bootstrap is 1"):
        arm_of("cadc", arms()["cadc 5%"], 1)
    made = [arm_of("cadc", arms()["cadc 5%"], 3, seed) for seed in (0, 1)]
    with pytest.raises(ValueError, match="different samples or draws"):
        difference(*made, "pope_f1")


def test_large_benchmarks_are_drawn_in_portions(monkeypatch):
    runs = two_way(np.random.default_rng(0), 2, 50, 0.05, 0.4, 0.1)
    whole = arm_of("a", runs, 400)
    monkeypatch.setattr("cadc.evaluation.intervals._AT_ONCE", 50 * 30)
    made = arm_of("a", runs, 400)
    assert len(made.draws["gqa"]) == 400 and made.draws["gqa"].std() == pytest.approx(whole.draws["gqa"].std(), rel=0.2)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1] and holm([0.02]) == [0.02] and holm([]) == []
    assert holm([float("nan"), 0.01]) == pytest.approx([np.nan, 0.02], nan_ok=True)
