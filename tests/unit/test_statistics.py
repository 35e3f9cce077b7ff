"""Figures of one run: the literature's definitions, by hand and by scikit-learn."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import f1_score

from cadc.evaluation.catalogue import BENCHMARKS, TASKS
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
