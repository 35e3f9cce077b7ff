"""The gate: its oracle is clean and balanced, and each condition can fail."""

import ast
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from cadc.config.errors import InputError
from cadc.evaluation.gate import Trial, check_tasks, conditions, oracle
from cadc.evaluation.intervals import Arm

CURVE = ["random 1%", "random 5%", "random 20%", "full 100%"]
PASSING = {
    "base": [-20.0],
    "random 1%": [40.0, 42.0, 41.0],
    "random 5%": [60.0, 61.0, 62.0],
    "random 20%": [70.0, 71.0, 72.0],
    "oracle 5%": [74.0, 76.0, 75.0],
    "full 100%": [78.0, 79.0, 80.0],
}


def failing(**changed) -> list[str]:
    """The texts of conditions that fail where cells have other runs; draws of rows say nothing new."""
    arms = {}
    for cell, values in PASSING.items():
        values = np.array(changed.get(cell.replace(" ", "_").rstrip("%"), values))
        draws = {"figure": np.full(9, values.mean())}
        arms[cell] = Arm(tuple(range(len(values))), {"figure": values}, draws, rows="all")
    return [condition.text for condition in conditions(arms, "figure", CURVE, 0.05) if not condition.holds]


def test_every_condition_can_fail_alone():
    assert failing() == []
    assert failing(base=[10.0]) == ["base"]
    assert failing(random_5=[56.0, 60.0, 64.5]) == ["sd of random 5% over seeds"]
    assert failing(random_5=[56.0, 60.0, 64.0], oracle_5=[71.0, 75.0, 79.0]) == []
    assert failing(random_20=[67.0, 71.0, 75.0]) == ["sd of random 20% over seeds"]
    assert failing(random_1=[30.0, 42.5, 43.0]) == ["worst seed below its median (in random 1%)"]
    assert failing(full_100=[74.9, 74.9, 74.9]) == ["full - random 5%"]
    assert failing(full_100=[76.0, 76.0, 76.0]) == []
    assert failing(oracle_5=[68.0, 69.0, 69.9]) == ["oracle 5% - random 5%"]
    assert failing(oracle_5=[66.0, 70.0, 76.0]) == ["oracle 5% - random 5%, low end of the 95% interval"]
    assert failing(random_20=[61.0, 61.0, 61.0]) == ["smallest rise of random over 1%, 5%, 20%, 100%"]


def test_the_oracle_takes_clean_rows_once_and_balances_subtasks():
    rng = np.random.default_rng(0)
    labels = [
        {
            "noise": ("clean", "wrong")[int(rng.random() < 0.3)],
            "duplicate_of": "000001" if rng.random() < 0.2 else "",
            "form": form,
            "subtask": subtask,
        }
        for subtask, n in (("a", 200), ("b", 60), ("c", 8))
        for form in ("open", "chat", "choice", "yesno")
        for _ in range(n // 4)
    ]
    rows = oracle(labels, 40, np.random.default_rng(1))
    assert len(set(rows.tolist())) == 40
    assert all(
        labels[r]["noise"] == "clean" and not labels[r]["duplicate_of"] and labels[r]["form"] != "chat" for r in rows
    )
    counts = Counter(labels[r]["subtask"] for r in rows)
    assert abs(counts["a"] - counts["b"]) <= 1 and counts["c"] == sum(
        r["subtask"] == "c" and r["noise"] == "clean" and not r["duplicate_of"] and r["form"] != "chat" for r in labels
    )
    assert (
        rows.tolist()
        == oracle(labels, 40, np.random.default_rng(1)).tolist()
        != oracle(labels, 40, np.random.default_rng(2)).tolist()
    )
    with pytest.raises(InputError, match="exceeds"):
        oracle(labels, 260, rng)


def test_trials_of_one_cell_differ_in_name():
    names = {Trial("random", 0.05, epochs, seed).name for epochs in (5.0, 10.0) for seed in (0, 1)}
    assert (
        len(names) == 4
        and Trial("random", 0.05, 5.0, 0).cell == "random 5%"
        and Trial("base", 0.0, 0.0, 0).cell == "base"
    )


def test_a_gate_without_one_of_its_forms_is_refused_before_anything_is_trained():
    check_tasks(["pope_adv", "mmt_val", "mini_vqa"])
    with pytest.raises(InputError, match="gate.tasks: the gate needs .*; add mini_vqa, mmt_val"):
        check_tasks(["pope_adv"])
    with pytest.raises(InputError, match="gate.tasks: no task 'mmt'"):
        check_tasks(["mmt"])


def test_trials_of_other_parameters_are_not_taken_up():
    """What answers depend on is among the inputs that name the folder of the gate's trials."""
    tree = ast.parse(Path("stages/gate.py").read_text(encoding="utf-8"))
    main = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main")
    inputs = next(ast.unparse(n.value) for n in main.body if isinstance(n, ast.Assign) and n.targets[0].id == "inputs")
    stated = yaml.safe_load(Path("pipelines/testbed/dvc.yaml").read_text())["stages"]["gate"]["do"]["params"]
    asked = {name.partition(".")[2] for name in stated if name.startswith("evaluate.")} - {"bootstrap"}
    assert asked and all(repr(name) in inputs for name in asked) and "labels.parquet" in inputs
