"""What the report on targeted selection counts."""

import numpy as np
import pytest

from cadc.evaluation.statistics import Samples
from cadc.lanes import by_meta_task
from cadc.report.tables import Question
from cadc.report.targets import Benchmark, Outcome, confusion, interference, outcomes


def ranks(skill_by_concept, concept_by_skill):
    return np.array([skill_by_concept, skill_by_concept + 2.0]), np.array([concept_by_skill, concept_by_skill + 2.0])


#: concept is predicted of a and b, skill of c; concept was clearly better for a, skill for b and, not clearly, for c.
BENCHMARKS = [
    Benchmark("a", 2, ranks(10, 20), ranks(1, 2)),
    Benchmark("b", 2, ranks(10, 20), ranks(2, 1)),
    Benchmark("c", 2, ranks(20, 10), ranks(2, 1)),
]
RESULTS = {
    "a": Outcome(
        np.array([60.0, 61, 62]), np.array([50.0, 51, 52.1]), np.array([40.0, 40, 40]), np.array([55.0, 56, 57.2])
    ),
    "b": Outcome(
        np.array([50.0, 51, 52]), np.array([60.0, 61, 62.1]), np.array([40.0, 40, 40]), np.array([55.0, 56, 57])
    ),
    "c": Outcome(
        np.array([50.0, 60, 70]), np.array([70.0, 60, 53]), np.array([40.0, 40, 40]), np.array([55.0, 56, 57])
    ),
}


def cells(table):
    return {
        line.split(" | ")[0].removeprefix("| "): [cell.strip(" |") for cell in line.split(" | ")[1:]]
        for line in table.splitlines()[2:]
    }


def test_the_confusion_table_counts_both_readings_and_what_a_constant_would_do():
    made = cells(confusion(BENCHMARKS, RESULTS, "concept"))
    assert made["probe rows, lower R_s\\|c means concept"] == ["1", "1", "0", "1", "2 of 3", "1 of 2", "3.3"]
    assert made["probe rows, lower R_s\\|c means skill"] == ["0", "1", "1", "1", "1 of 3", "1 of 2", "3.7"]
    assert made["description, lower R_s\\|c means concept"] == ["1", "0", "0", "2", "3 of 3", "2 of 2", "0.0"]
    assert (
        made["always skill"] == ["0", "0", "1", "2", "2 of 3", "1 of 2", "3.3"]
        and made["always concept"][4] == "1 of 3"
    )


def test_interference_is_against_the_view_that_the_mix_takes():
    made = cells(interference(BENCHMARKS, RESULTS, "concept"))
    assert made["a"][1] == "61.0 ± 1.0" and made["a"][3].startswith("-4.9")
    assert made["b"][1] == "51.0 ± 1.0" and made["b"][3].startswith("+5.0") and made["b"][4].startswith("+16.0")


def test_outcomes_pair_seeds_and_wait_for_all_of_a_benchmark():
    labels = ("concept: pope/pope", "skill: pope/pope", "random", "mix")
    variants = [{"label": label, "method": label.split(":")[0]} for label in labels]
    table = Question(title="t", about="", split="score", seeds=[0, 1], variants=variants)
    changes = "evaluate.split=score seeds=[0, 1]"
    made = {
        f"{label.split(':')[0]} {changes}": {
            "figures": {"b02": {f"s{s}": {"pope/pope": 10.0 * i + s} for s in ((1, 0) if i % 2 else (0, 1))}},
            "fingerprint": "",
        }
        for i, label in enumerate(labels)
    }
    found = outcomes(table, made, ["pope/pope", "mmt_val/ocr"])
    assert (
        set(found) == {"pope/pope"}
        and found["pope/pope"].skill.tolist() == [10, 11]
        and found["pope/pope"].mix.tolist() == [30, 31]
    )
    del made[f"mix {changes}"]
    assert outcomes(table, made, ["pope/pope"]) == {}


def test_scores_by_meta_task_are_accuracies_and_in_chat_points_over_the_reference_s():
    tasks = ["pope_adv", "pope_pop", "mmt_val", "mmt_val", "mmt_val", "llava_in_the_wild", "llava_in_the_wild"]
    score, scale = np.array([1.0, 0, 1, 0, 1, 4, 5]), np.array([1.0, 1, 1, 1, 1, 8, 10])
    empty = np.zeros(7, bool)
    samples = Samples(
        np.array(tasks),
        np.arange(7),
        np.array(["x"] * 7),
        np.array(["p", "p", "ocr", "ocr", "counting", "w", "w"]),
        empty,
        empty,
        score,
        scale,
        scale,
    )
    assert by_meta_task(samples) == pytest.approx(
        {"pope/pope": 50, "mmt_val/ocr": 50, "mmt_val/counting": 100, "llava_in_the_wild/wild": 50}
    )
