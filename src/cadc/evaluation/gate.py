"""The gate: is the testbed a world in which it matters which rows are chosen? (ours)

Random, oracle and full runs alone are looked at, never a method. Figures are chance-corrected scores in percent, as
`statistics.measure` gives them; the gate must hold for the open form alone and for the mean of the three forms, in
every world. Its conditions ask that differences between draws are larger than what seeds do.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cadc.config.arms import budget_key
from cadc.config.budgets import capped_shares
from cadc.config.errors import InputError
from cadc.evaluation.catalogue import TASKS, check_names
from cadc.evaluation.intervals import Arm, difference

#: The figures shown, with their names in tables, and those that the gate is judged on.
FORMS = {
    "corrected_open": "open",
    "corrected_yesno": "yes/no",
    "corrected_choice": "multiple choice",
    "corrected_mean": "mean of forms",
}
JUDGED = ("corrected_open", "corrected_mean")
#: The forms that the oracle draws from: those of the benchmarks.
_ASKED = ("open", "yesno", "choice")
#: The benchmarks, one of each form, without which it tells nothing.
_NEEDED = ("vqa_accuracy", "pope_f1", "mmt_accuracy")


def check_tasks(tasks: list[str]) -> None:
    """Raise InputError where `gate.tasks` lacks a benchmark by which the gate judges."""
    check_names(tasks, judged=False, key="gate.tasks")
    there = {TASKS[task].benchmark for task in tasks}
    if lacking := [name for name in _NEEDED if name not in there]:
        some = (next(task for task, known in TASKS.items() if known.benchmark == name) for name in lacking)
        raise InputError(f"gate.tasks: the gate judges by three forms of question; add {', '.join(some)}")


def cell_of(arm: str, budget: float) -> str:
    """The name under which the seeds of one arm and size are averaged: `random 5%`, `base`."""
    return arm if budget == 0 else f"{arm} {100 * budget:g}%"


@dataclass(frozen=True)
class Trial:
    """One tuning and scoring: rows drawn by `arm` (random, oracle, full), trained on for `epochs` passes.

    `base` is not tuned at all. `blind` is no run: it gives each subtask's commonest answer, or guesses an option.
    """

    arm: str
    budget: float
    epochs: float
    seed: int

    @property
    def cell(self) -> str:
        return cell_of(self.arm, self.budget)

    @property
    def name(self) -> str:
        return f"{self.arm}_{budget_key(self.budget)}_e{self.epochs:g}_s{self.seed}"


_HOLDS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True)
class Condition:
    """One line of the gate: `value`, in points, stands in `relation` to `bound`."""

    text: str
    value: float
    relation: str
    bound: float

    @property
    def holds(self) -> bool:
        return _HOLDS[self.relation](self.value, self.bound)


def oracle(labels: list[dict], n: int, rng: np.random.Generator) -> np.ndarray:
    """`n` clean, deduplicated rows in a benchmark's form, balanced over subtasks, in random order: int64 [n].

    `labels` are the pool's noise labels, which no method sees. Raises InputError where there are fewer such rows.
    """
    groups: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        if label["noise"] == "clean" and not label["duplicate_of"] and label["form"] in _ASKED:
            groups.setdefault(label["subtask"], []).append(row)
    there = sum(map(len, groups.values()))
    if n > there:
        raise InputError(
            f"gate.oracle: a budget of {n} rows exceeds the {there} clean rows in a benchmark's form; lower it"
        )
    names = sorted(groups)
    shares = capped_shares(np.ones(len(names)), np.array([len(groups[name]) for name in names]), n)
    return rng.permutation(
        np.concatenate([rng.permutation(groups[name])[:share] for name, share in zip(names, shares, strict=True)])
    )


def conditions(arms: dict[str, Arm], figure: str, random_cells: list[str], budget: float) -> list[Condition]:
    """The gate's conditions for one figure.

    arms: of each cell, runs of the same seeds (base may have one). random_cells: from the smallest random draw to
    `full 100%`; with draws of `budget`, the oracle's size, and of 20%.
    """
    runs = {cell: arm.runs[figure] for cell, arm in arms.items()}
    mean = {cell: float(values.mean()) for cell, values in runs.items()}
    random, best, full = cell_of("random", budget), cell_of("oracle", budget), "full 100%"
    lead = difference(arms[best], arms[random], figure)
    below = {cell: float(np.median(values) - values.min()) for cell, values in runs.items()}
    rises = [mean[after] - mean[before] for before, after in pairwise(random_cells)]
    shares = ", ".join(cell.split()[1] for cell in random_cells)
    return [
        Condition("base", mean["base"], "<", 10),
        *(
            Condition(f"sd of {cell} over seeds", float(runs[cell].std(ddof=1)), "<=", most)
            for cell, most in ((random, 4.0), ("random 20%", 2.5))
        ),
        Condition(f"a seed below its median, at most (of {max(below, key=below.get)})", max(below.values()), "<=", 12),
        Condition(f"full - {random}", mean[full] - mean[random], ">=", 15),
        Condition(f"{best} - {random}", lead.mean, ">=", 8),
        Condition(f"{best} - {random}, low end of the 95% interval", lead.low, ">", 0),
        Condition(f"least rise of random at {shares}", min(rises), ">", 0),
    ]
