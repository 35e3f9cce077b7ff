"""The gate: does row selection matter in the testbed? (ours)

It uses only random, oracle and full runs, never a method. Scores are chance-corrected, in percent, from
`statistics.measure`. The gate must hold for open questions alone and for the mean of the three forms, in every world.
Its conditions require differences between selections to exceed the variation between seeds.
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

#: The metrics shown, with their names in tables, and those that the gate uses.
FORMS = {
    "corrected_open": "open",
    "corrected_yesno": "yes/no",
    "corrected_choice": "multiple choice",
    "corrected_mean": "mean of forms",
}
JUDGED = ("corrected_open", "corrected_mean")
#: The question forms that the oracle draws from: those of the benchmarks.
_ASKED = ("open", "yesno", "choice")
#: The benchmarks that the gate needs, one per form.
_NEEDED = ("vqa_accuracy", "pope_f1", "mmt_accuracy")


def check_tasks(tasks: list[str]) -> None:
    """Raise InputError if `gate.tasks` lacks a benchmark that the gate needs."""
    check_names(tasks, judged=False, key="gate.tasks")
    there = {TASKS[task].benchmark for task in tasks}
    if lacking := [name for name in _NEEDED if name not in there]:
        some = (next(task for task, known in TASKS.items() if known.benchmark == name) for name in lacking)
        raise InputError(f"gate.tasks: the gate needs all three question forms; add {', '.join(some)}")


def cell_of(arm: str, budget: float) -> str:
    """The name of all seeds of one arm and size: `random 5%`, `base`."""
    return arm if budget == 0 else f"{arm} {100 * budget:g}%"


@dataclass(frozen=True)
class Trial:
    """One fine-tuning and scoring run: rows drawn by `arm` (random, oracle, full), trained for `epochs` passes.

    `base` is not fine-tuned. `blind` is not a run: it gives each subtask's most common answer, or guesses an option.
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
    """One line of the gate: `value` (in points) must be in `relation` to `bound`."""

    text: str
    value: float
    relation: str
    bound: float

    @property
    def holds(self) -> bool:
        return _HOLDS[self.relation](self.value, self.bound)


def oracle(labels: list[dict], n: int, rng: np.random.Generator) -> np.ndarray:
    """`n` clean, deduplicated rows in the benchmarks' forms, balanced over subtasks, in random order: int64 [n].

    `labels` are the pool's noise labels, which no method sees. Raises InputError if there are fewer such rows.
    """
    groups: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        if label["noise"] == "clean" and not label["duplicate_of"] and label["form"] in _ASKED:
            groups.setdefault(label["subtask"], []).append(row)
    there = sum(map(len, groups.values()))
    if n > there:
        raise InputError(
            f"gate.oracle: a budget of {n} rows exceeds the {there} clean rows in the benchmarks' forms; lower it"
        )
    names = sorted(groups)
    shares = capped_shares(np.ones(len(names)), np.array([len(groups[name]) for name in names]), n)
    return rng.permutation(
        np.concatenate([rng.permutation(groups[name])[:share] for name, share in zip(names, shares, strict=True)])
    )


def conditions(arms: dict[str, Arm], figure: str, random_cells: list[str], budget: float) -> list[Condition]:
    """The gate's conditions for one metric.

    arms: runs of each cell, with the same seeds (base may have one). random_cells: from the smallest random draw to
    `full 100%`, including draws of `budget` (the oracle's size) and of 20%.
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
        Condition(f"worst seed below its median (in {max(below, key=below.get)})", max(below.values()), "<=", 12),
        Condition(f"full - {random}", mean[full] - mean[random], ">=", 15),
        Condition(f"{best} - {random}", lead.mean, ">=", 8),
        Condition(f"{best} - {random}, low end of the 95% interval", lead.low, ">", 0),
        Condition(f"smallest rise of random over {shares}", min(rises), ">", 0),
    ]
