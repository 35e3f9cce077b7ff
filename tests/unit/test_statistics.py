"""Figures: the literature's definitions, checked against scikit-learn and by hand."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import f1_score

from cadc.evaluation.statistics import Samples, measure, relative, summarise
from cadc.report.leaderboard import markdown, metrics, percent, ranked, rows, summary_of


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
        out.append(("mini_vqa", doc, f"sub{doc % 4}", f"meta{doc % 2}", "x", "x", float(rng.random() < skill), 0.2, 1.0))
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


def cells():
    return {
        ("full", "b100"): [Samples.of_table(table(s, 0.9)) for s in (0, 1)],
        ("cadc", "b05"): [Samples.of_table(table(s, 0.6)) for s in (2, 3)],
    }


def test_summary_brackets_the_mean_repeats_and_ranks():
    made, again = summarise(cells(), ("full", "b100"), 60), summarise(cells(), ("full", "b100"), 60)
    assert made == again
    full, cadc = made["full", "b100"]["relative"], made["cadc", "b05"]["relative"]
    assert [full[key] for key in ("mean", "low", "high")] == pytest.approx([100, 100, 100])
    assert cadc["low"] < cadc["mean"] < cadc["high"] < 100 and cadc["sd"] > 0
    assert ranked(made) == [("full", "b100"), ("cadc", "b05")]


def test_runs_scored_on_other_samples_are_refused():
    odd = cells()
    odd["cadc", "b05"][0] = Samples.of_table(table().slice(0, 100))
    with pytest.raises(ValueError, match="cadc at b05 was scored on other samples"):
        summarise(odd, None, 2)


def test_metrics_nest_without_dots_and_the_table_is_markdown():
    made = metrics(summarise(cells(), ("full", "b100"), 5))
    assert set(made["cadc"]["b05"]["pope_f1"]) == {"mean", "sd", "low", "high"}

    def keys(tree):
        return [key for key, value in tree.items() for key in [key, *(keys(value) if isinstance(value, dict) else [])]]

    assert not any("." in key for key in keys(made))
    header, body = rows(summary_of(made))
    assert [row[0] for row in body] == ["full 100%", "cadc 5%"] and markdown(header, body).count("\n") == 4
    assert percent("b00_5") == "0.5%"
