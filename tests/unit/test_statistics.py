"""Figures: the literature's definitions, by hand and by scikit-learn. Intervals: what they cover where it is known."""

from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from cadc.evaluation.catalogue import BENCHMARKS, TASKS
from cadc.evaluation.intervals import Arm, arm_of, difference, estimates, holm
from cadc.evaluation.statistics import Samples, measure, measure_draws, relative, row_draws


def table(seed=0, skill=0.7):
    rng = np.random.default_rng(seed)
    out = []
    for task in ("pope_adv", "pope_pop", "pope_random"):
        for doc in range(40):
            answer = "yes" if doc % 2 else "no"
            said = answer if rng.random() < skill else rng.choice(["yes", "no", "perhaps"])
            out.append((task, doc, task, "pope", answer, said, float(said == answer), 0.5, 1.0))
    for doc in range(60):
        right = float(rng.random() < skill)
        out.append(("mmt_val", doc, f"sub{doc % 4}", f"meta{doc % 2}", "A", "A", right, 0.25, 1.0))
        out.append(
            ("mini_vqa", doc, f"sub{doc % 4}", f"meta{doc % 2}", "x", "x", float(rng.random() < skill), 0.2, 1.0)
        )
    for doc in range(9):
        out.append(("llava_in_the_wild", doc, "conv", "llava_in_the_wild", "a", "b", 10 * skill, 0.0, 10.0))
    names = ("task", "doc", "subtask", "meta_task", "answer", "prediction", "score", "chance", "scale")
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in out])


def test_pope_is_the_mean_f1_and_the_yes_ratio_is_of_predictions():
    made = table()
    figures = measure(Samples.of_table(made))
    f1 = []
    for task in ("pope_adv", "pope_pop", "pope_random"):
        part = [r for r in made.to_pylist() if r["task"] == task]
        f1.append(f1_score([r["answer"] == "yes" for r in part], [r["prediction"] == "yes" for r in part]))
    assert figures["pope_f1"] == pytest.approx(100 * np.mean(f1))
    pope = [r for r in made.to_pylist() if r["meta_task"] == "pope"]
    assert figures["pope_yes_ratio"] == pytest.approx(100 * np.mean([r["prediction"] == "yes" for r in pope]))


def test_an_always_yes_model_says_so():
    made = table().to_pandas()
    made.loc[made.meta_task == "pope", "prediction"] = "Yes"
    made.loc[made.meta_task == "pope", "score"] = (made.answer == "yes").astype(float)
    figures = measure(Samples.of_table(pa.Table.from_pandas(made, preserve_index=False)))
    assert figures["pope_yes_ratio"] == 100 and figures["corrected_yesno"] == pytest.approx(0)


def test_chance_correction_is_unclipped_and_by_subtask():
    made = table().to_pandas()
    at = made.task == "mmt_val"
    made.loc[at, "score"] = np.where(made[at].subtask == "sub0", 1.0, 0.0)
    figures = measure(Samples.of_table(pa.Table.from_pandas(made, preserve_index=False)))
    assert figures["corrected_choice"] == pytest.approx(100 * np.mean([1, -1 / 3, -1 / 3, -1 / 3]))
    assert figures["mmt_subtask_mean"] == pytest.approx(25) and figures["mmt_meta_mean"] == pytest.approx(25)


def test_llava_wild_is_points_over_the_reference_s():
    assert measure(Samples.of_table(table(skill=0.6)))["llava_wild"] == pytest.approx(60)


def test_relative_is_the_mean_of_ratios():
    assert relative({"pope_f1": 40, "mmt_accuracy": 30}, {"pope_f1": 80, "mmt_accuracy": 30}) == pytest.approx(75)
    assert np.isnan(relative({"pope_f1": 1.0}, {"pope_f1": 0.0}))


#: Tasks of every kind of figure: samples, samples a unit.
SHAPES = {
    "pope_adv": (24, 4),
    "pope_pop": (24, 4),
    "pope_random": (24, 4),
    "mmt_val": (40, 1),
    "mini_vqa": (30, 1),
    "gqa": (20, 1),
    "llava_in_the_wild": (12, 3),
    "mme": (48, 2),
    "mmbench_en_dev_static": (30, 3),
    "hallusion_bench_image": (20, 1),
}
COGNITION = ("code_reasoning", "text_translation")


def run_of_all(seed):
    """Random answers to every kind of benchmark."""
    rng, parts = np.random.default_rng(seed), []
    for task, (n, per_unit) in SHAPES.items():
        doc, wild = np.arange(n), task == "llava_in_the_wild"
        subtask = np.array(["color", "scene", *COGNITION] if task == "mme" else list("abcde"))
        subtask = subtask[doc // per_unit % len(subtask)]
        parts.append(
            {
                "task": np.full(n, task),
                "doc": doc,
                "subtask": subtask,
                "meta_task": np.where(np.isin(subtask, ["a", "c", "e"]), "ace", "bd"),
                "truth_yes": doc % 2 == 0,
                "says_yes": rng.random(n) < 0.6,
                "score": rng.integers(1, 10, n) if wild else rng.random(n) < 0.7,
                "scale": rng.integers(5, 10, n) if wild else np.ones(n),
                "chance": np.where(subtask == "a", 0.5, np.where(subtask == "b", 0.25, 0.0)),
                "unit": doc // per_unit,
            }
        )
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Samples(**columns | {name: columns[name].astype(float) for name in ("score", "scale")})


def by_hand(run, weights):
    """All figures by their definitions, group after group: no arithmetic is shared with `measure_draws`."""

    def average(at, values=run.score):
        return np.average(values[at], weights=weights[at])

    def subtasks(at):
        groups = [at & (run.subtask == one) for one in np.unique(run.subtask[at])]
        return [group for group in groups if weights[group].any()]

    def all_right(at):
        units = [at & (run.unit == one) for one in np.unique(run.unit[at])]
        return np.average([run.score[one].min() for one in units], weights=[weights[one].mean() for one in units])

    def mme(cognition):
        groups = [at for at in subtasks(run.task == "mme") if (run.subtask[at][0] in COGNITION) == cognition]
        return np.mean([(average(at) + all_right(at)) / 2 for at in groups])

    def f1(task):
        at = run.task == task
        return f1_score(run.truth_yes[at], run.says_yes[at], sample_weight=weights[at])

    def corrected(at):
        return np.mean([1 - (1 - average(one)) / (1 - average(one, run.chance)) for one in subtasks(at)])

    pope, wild = np.char.startswith(run.task, "pope"), run.task == "llava_in_the_wild"
    mmt = subtasks(run.task == "mmt_val")
    metas = [[average(at) for at in mmt if run.meta_task[at][0] == meta] for meta in ("ace", "bd")]
    out = {
        "pope_f1": np.mean([f1(task) for task in ("pope_adv", "pope_pop", "pope_random")]),
        "pope_accuracy": average(pope),
        "pope_yes_ratio": average(pope, run.says_yes),
        "mmt_accuracy": average(run.task == "mmt_val"),
        "mmt_subtask_mean": np.mean([average(at) for at in mmt]),
        "mmt_meta_mean": np.mean([np.mean(meta) for meta in metas]),
        "llava_wild": weights[wild] @ run.score[wild] / (weights[wild] @ run.scale[wild]),
        "vqa_accuracy": average(run.task == "mini_vqa"),
        "gqa": average(run.task == "gqa"),
        "hallusion": average(run.task == "hallusion_bench_image"),
        "mmbench_en": all_right(run.task == "mmbench_en_dev_static"),
        "mme": mme(cognition=False),
        "mme_cognition": mme(cognition=True),
    }
    forms = {}
    for name in {TASKS[task].benchmark for task in SHAPES}:
        at = np.array([TASKS[task].benchmark == name for task in run.task])
        forms.setdefault(BENCHMARKS[name].kind, []).append(corrected(at))
    of_form = {f"corrected_{form}": np.mean(forms[form]) for form in ("open", "yesno", "choice")}
    out |= of_form | {"corrected_mean": np.mean(list(of_form.values()))}
    return {name: 100 * value for name, value in out.items()}


def test_figures_of_many_runs_at_many_draws_are_those_of_each_by_hand():
    shared = run_of_all(0)
    runs = [run_of_all(seed) for seed in range(3)]
    rng = np.random.default_rng(0)
    drawn = row_draws(shared, 6, rng)
    drawn[0, (shared.task == "mmt_val") & (shared.subtask == "b")] = 0  # a subtask that isn't drawn at all
    drawn[1:3] *= rng.exponential(size=shared.unit.max() + 1)[shared.unit]  # nor need weights be whole numbers
    made = measure_draws(runs, drawn)
    for draw, weights in enumerate(drawn):
        for k, run in enumerate(runs):
            mine = {name: values[draw, k] for name, values in made.items()}
            assert mine == pytest.approx(by_hand(run, weights)) and mine == pytest.approx(measure(run, weights))


def test_relative_of_arrays_is_that_of_each_number():
    rng = np.random.default_rng(0)
    some, full = ({name: rng.random(4) for name in ("pope_f1", "mmt_accuracy", "gqa")} for _ in range(2))
    full["gqa"][1] = 0
    one_by_one = [relative(*({name: x[i] for name, x in each.items()} for each in (some, full))) for i in range(4)]
    assert relative(some, full) == pytest.approx(one_by_one)


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
            made = estimates({"a": a, "b": other}, None, 100).difference("a", "b", "gqa")
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
    made = estimates({"a": a, "b": b, "later": later}, None, 200)
    paired, unpaired = (made.difference(name, "a", "gqa") for name in ("b", "later"))
    assert paired.high - paired.low < 0.2 * (unpaired.high - unpaired.low)
    alone = [
        made.arms[name].estimate("gqa") for name in ("a", "later")
    ]  # rows are the same for both, whatever the seeds
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


def test_relative_performance_divides_by_full_data_on_the_same_rows():
    made = estimates(arms(), arms()["full 100%"], 60)
    assert made.estimates() == estimates(arms(), arms()["full 100%"], 60).estimates()
    full, cadc = (made.arms[name] for name in ("full 100%", "cadc 5%"))
    assert full.draws["relative"] == pytest.approx(np.full(60, 100.0))
    rel = cadc.estimate("relative")
    assert rel.low < rel.mean < rel.high and rel.mean < 100 and rel.sd > 0
    figures = [measure(run) for run in arms()["cadc 5%"].values()]
    divisor = {name: np.mean([measure(run)[name] for run in arms()["full 100%"].values()]) for name in figures[0]}
    assert cadc.runs["relative"] == pytest.approx([relative(one, divisor) for one in figures])
    assert "relative" not in estimates(arms(), None, 2).arms["cadc 5%"].runs


def test_one_seed_has_no_interval():
    one = {name: {0: runs[0]} for name, runs in arms().items()}
    made = estimates(one, one["full 100%"], 10)
    estimate, apart = made.arms["cadc 5%"].estimate("pope_f1"), made.difference("cadc 5%", "full 100%", "pope_f1")
    assert np.isfinite([estimate.mean, apart.mean]).all() and apart.n_seeds == 1
    assert np.isnan([estimate.sd, estimate.low, estimate.high, apart.low, apart.high, apart.p]).all()
    against = estimates({**one, "both": arms()["full 100%"]}, None, 10).difference("both", "cadc 5%", "pope_f1")
    assert np.isnan([against.low, against.high, against.p]).all() and not against.paired


def test_runs_scored_on_other_samples_are_refused():
    odd = arms()
    odd["cadc 5%"] = {seed: Samples.of_table(table().slice(0, 100)) for seed in (0, 1)}
    for full in (None, odd["full 100%"]):
        with pytest.raises(ValueError, match="cadc 5% was scored on other samples than full"):
            estimates(odd, full, 2)
    with pytest.raises(ValueError, match="cadc b05, seed 1, was scored on other samples than its seed 0"):
        arm_of(("cadc", "b05"), {0: arms()["cadc 5%"][0], 1: odd["cadc 5%"][1]}, 2)
    with pytest.raises(ValueError, match="cadc has no runs"):
        arm_of("cadc", {}, 2)
    with pytest.raises(ValueError, match="n_bootstrap is 1"):
        arm_of("cadc", arms()["cadc 5%"], 1)
    made = [arm_of("cadc", arms()["cadc 5%"], 3, seed) for seed in (0, 1)]
    with pytest.raises(ValueError, match="different samples or draws"):
        difference(*made, "pope_f1")


def test_arms_measured_apart_compare_as_if_together():
    together = estimates(arms(), None, 20)
    apart = {name: arm_of(name, runs, 20) for name, runs in arms().items()}
    assert difference(*apart.values(), "pope_f1") == together.difference(*apart, "pope_f1")


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
