"""More parts of a table's page: benchmark by benchmark, what was chosen, capabilities, and gains by difficulty."""

from pathlib import Path

import numpy as np
import pytest
import small_results

from cadc.compose.studies import Study
from cadc.evaluation.results import load_samples
from cadc.report import sections, tables
from cadc.report.difficulty import against_difficulty, fitted, gaussian
from cadc.report.stated import Stated

REPOSITORY = Path.cwd()


@pytest.fixture
def stated(tmp_path, monkeypatch):
    """The root's arms and `better`, in small results."""
    monkeypatch.chdir(tmp_path)
    root = small_results.write_root(REPOSITORY)
    own = {name: Stated().root[name] for name in ("model", "finetune", "evaluate")}
    small_results.write_arm("better", 0.97, 20)
    small_results.write_pipeline("mine", {}, {"better": {**root["random"], **own}})
    return Stated()


def table(stated, *rows, **more):
    spec = {"title": "T", "about": "", "split": "score", "plot": False, "claims": [], "published": {}, "full": "full",
            "rows": [{"label": label, "arm": arm} for label, arm in rows]} | more  # fmt: skip
    return tables.make(spec, stated, 20)


def cells(text: str, start: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_benchmark_by_benchmark_the_best_is_bold_and_meta_tasks_are_counted(stated):
    made = table(stated, ("random", "random"), ("mine", "better"))
    text = sections.benchmarks(made, stated)
    samples = [list(load_samples(arm).values()) for arm in ("random", "better")]
    at = (samples[0][0].task == "mmt_val") & (samples[0][0].meta_task == "counting")
    means = [100 * np.mean([run.score[at] for run in runs]) for runs in samples]
    assert means[1] > means[0]
    assert cells(text, "mmt_val: counting") == ["mmt_val: counting", f"{means[0]:.1f}", f"**{means[1]:.1f}**"]
    assert "llava_in_the_wild:" not in text  # points are no accuracy


def test_of_many_lines_the_best_and_the_second_are_told(stated):
    rows = [(f"random {k}", "random") for k in range(9)] + [("mine", "better")]
    text = sections.benchmarks(table(stated, *rows), stated)
    best, _, second = cells(text, "mmt_val: counting")[1:4]
    assert best == "mine, 5%" and second == "random 0, 5%"  # ties by place


def test_rows_are_told_by_label(stated):
    text = sections.rows(table(stated, ("random", "random"), ("mine", "better")), stated)
    assert text.count("| mine, 5% |") == 2 and "| pool |" in text


def test_capabilities_are_compared_with_the_first_line_s(stated):
    made = table(stated, ("a", "cadc"), ("b", "influence_coverage"), ("random", "random"))
    text = sections.capabilities(made, stated)
    found = {name: sections.load_found(stated, name)[0] for name in ("cadc", "influence_coverage")}
    ari = sections.alike(found["cadc"], found["influence_coverage"])
    assert cells(text, "a")[4] == "1.00" and cells(text, "b")[4] == f"{ari:z.2f}" and "| random |" not in text


def facts(partition: dict[str, int]) -> dict:
    return {"subtasks": [{"target": "t", "name": name, "capability": c} for name, c in partition.items()]}


def test_partitions_are_alike_over_the_subtasks_that_both_have():
    one, other = facts({"a": 0, "b": 0, "c": 1, "d": 1}), facts({"a": 1, "b": 1, "c": 0, "e": 0})
    assert sections.alike(one, other) == 1
    assert sections.alike(one, facts({"a": 0, "b": 1, "c": 0, "d": 1})) < 0


def test_a_gaussian_is_found_again_and_none_where_points_are_too_few_or_alike():
    hard = np.linspace(0, 90, 12)
    height, centre, width, r2 = fitted(hard, gaussian(hard, 8.0, 40.0, 15.0))
    assert (height, centre, width) == pytest.approx((8, 40, 15), rel=1e-3) and r2 == pytest.approx(1)
    assert fitted(hard[:4], np.arange(4.0)) is None and fitted(hard, np.ones(12)) is None


def test_gains_stand_against_what_full_data_misses(stated, tmp_path):
    runs = {arm: list(load_samples(arm).values()) for arm in ("better", "random", "full")}
    points = against_difficulty(*runs.values())
    assert set(points) == {"mmt_val", "mini_vqa"}  # the others have one subtask, or points
    at = (runs["full"][0].task == "mmt_val") & (runs["full"][0].subtask == "count")
    accuracy = {arm: 100 * np.mean([run.score[at] for run in own]) for arm, own in runs.items()}
    assert points["mmt_val"][0][0] == pytest.approx(100 - accuracy["full"])
    assert points["mmt_val"][1][0] == pytest.approx(accuracy["better"] - accuracy["random"])
    made = table(stated, ("mine", "better"), ("random", "random"), difficulty=["mine", "random"])
    (text,) = sections.of(made, stated, tmp_path / "x")
    assert (tmp_path / "x_difficulty.png").stat().st_size > 1000 and "](x_difficulty.png)" in text


def test_a_study_asks_for_parts_and_names_rows_that_there_are():
    row = {"arm": "random"}
    asked = {"title": "T", "rows": [row], "shows": ["rows"]}
    assert Study.model_validate({"title": "S", "tables": [asked]}).tables[0].shows == ["rows"]
    with pytest.raises(ValueError, match="difficulty names nobody"):
        Study.model_validate({"title": "S", "tables": [asked | {"difficulty": ["random", "nobody"]}]})
    with pytest.raises(ValueError, match="benchmarks"):
        Study.model_validate({"title": "S", "tables": [asked | {"shows": ["songs"]}]})
