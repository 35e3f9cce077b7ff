"""PreSel against its authors' output: bardisafa/PreSel 2dd6709."""

from pathlib import Path

import numpy as np
import pytest

from cadc.selectors.presel import (
    released_budgets,
    task_importance,
    task_weights,
    typical_rows,
    typicality,
    vision_flan_budgets,
)

FOLDER = Path(__file__).parent / "presel"
PIPELINE, ROWS, FLAN = (
    dict(np.load(FOLDER / f"{name}.npz"))
    for name in ("llava_pipeline_seed0", "typical_rows_seed2", "vision_flan_budgets_seed4")
)


def at(name):
    """The rows whose unique ids stand under `name`."""
    place = {number: row for row, number in enumerate(PIPELINE["unique_idx"].tolist())}
    return np.array([place[number] for number in PIPELINE[name].tolist()])


def test_importance_and_budgets_of_tasks():
    rows = at("ratio_unique_idx")
    ratio = PIPELINE["loss_with_question"][rows] / PIPELINE["loss_without_question"][rows]
    np.testing.assert_allclose(ratio, PIPELINE["ratio"], rtol=1e-5)
    importance = task_importance(ratio, PIPELINE["task"][rows], 10)
    np.testing.assert_allclose(importance, PIPELINE["task_importance"], rtol=1e-5)
    for number in (2, 3, 4):
        budgets = released_budgets(task_weights(importance), (number - 1) * 100)
        assert budgets.tolist() == PIPELINE[f"budget_round{number}"].tolist()


@pytest.mark.parametrize("number", [2, 3, 4])
def test_rows_of_each_task(number):
    free = ~np.isin(np.arange(2000), at("reference_unique_idx"))
    for task in range(10):
        rows = np.flatnonzero(PIPELINE["task"] == task)
        cluster = PIPELINE["cluster"][rows]
        typical = typicality(PIPELINE["features"][rows], cluster, free[rows], 5)
        chosen = rows[typical_rows(typical, cluster, free[rows], int(PIPELINE[f"budget_round{number}"][task]))]
        assert set(chosen) == set(at(f"selected_round{number}_task{task}")), task


@pytest.mark.parametrize("case", ROWS["cases"].tolist())
def test_typical_rows(case):
    made = {key.removeprefix(f"{case}__"): value for key, value in ROWS.items() if key.startswith(f"{case}__")}
    typical = typicality(made["features"], made["cluster"], made["available"], 5)
    np.testing.assert_allclose(typical, made["typicality"], rtol=1e-5)
    chosen = typical_rows(typical, made["cluster"], made["available"], int(made["budget"]))
    counts = np.bincount(made["cluster"][chosen], minlength=len(made["per_cluster"]))
    assert counts.tolist() == made["per_cluster"].tolist()
    if case != "many_small_clusters":  # two free rows of a cluster are alike typical
        assert sorted(chosen) == sorted(made["selected_rows"])


@pytest.mark.parametrize("k", range(int(FLAN["n"])))
def test_budgets_of_vision_flan(k):
    made = {name: FLAN[f"a{k}_{name}"] for name in ("importance", "size", "total", "temperature", "allocated")}
    weights = task_weights(made["importance"], float(made["temperature"]))
    assert vision_flan_budgets(weights, made["size"], int(made["total"])).tolist() == made["allocated"].tolist()
