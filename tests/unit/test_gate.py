"""The gate: its oracle is clean and balanced, and each condition can fail."""

from collections import Counter

import numpy as np
import pytest

from cadc.config.errors import InputError
from cadc.evaluation.gate import Trial, conditions, oracle

CURVE = ["random 1%", "random 5%", "random 20%", "full 100%"]
PASSING = {
    "base": [-20.0],
    "random 1%": [5.0, 6.0],
    "random 5%": [30.0, 31.0],
    "random 20%": [50.0, 51.0],
    "oracle 5%": [40.0, 42.0],
    "full 100%": [71.0, 72.0],
}


def failing(**changed) -> list[str]:
    scores = {
        cell: np.array(changed.get(cell.replace(" ", "_").rstrip("%"), values)) for cell, values in PASSING.items()
    }
    return [condition.text for condition in conditions(scores, CURVE, 0.05) if not condition.holds]


def test_every_condition_can_fail_alone():
    assert failing() == []
    assert failing(base=[10.0]) == ["base < 10"]
    assert failing(random_5=[24.0, 26.0]) == ["random 5% > 25"]
    assert failing(full_100=[69.0, 70.0]) == ["full >= 70"]
    assert failing(full_100=[70.0, 70.0]) == []
    assert failing(random_5=[54.0, 55.0], random_20=[60.0, 60.0], oracle_5=[65.0, 66.5]) == ["full - random 5% >= 20"]
    assert failing(oracle_5=[35.0, 45.0]) == ["oracle 5% - random 5% > 2 sd of the difference"]
    assert failing(random_20=[30.0, 31.0]) == ["least rise of random 1%, 5%, 20%, 100% > 0"]


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
