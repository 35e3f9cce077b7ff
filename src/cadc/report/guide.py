"""Is the generated world a guide? Its scores of methods beside those of a real model on real pictures (ours)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import stats

from cadc import artifacts
from cadc.config.errors import InputError
from cadc.report import figures
from cadc.report.record import RECORDS
from cadc.report.text import markdown

WORLD = artifacts.REPORTS / "tables/leaderboard"
REAL = RECORDS / "real_lite/reports/tables/real_lite"
#: Tables that are compared: (the real one, its budget in percent), (the generated world's, its budget).
PAIRS = (
    (("at_10_of_the_pool", 10), ("every_method_at_5_of_the_pool", 5)),
    (("at_10_of_the_pool", 10), ("every_method_at_20_of_the_pool", 20)),
    (("at_30_of_the_pool", 30), ("every_method_at_20_of_the_pool", 20)),
)
_FEWEST = 4  # methods that a rank correlation needs
_DRAWS, _LEVEL = 10_000, (2.5, 97.5)


def scores(path: Path, budget: int) -> dict[str, float]:
    """Rel. % by method out of a table's metrics, `METHOD_BUDGET`; all rows, which have no budget, are left out."""
    made, end = artifacts.read_json(path), f"_{budget}"
    return {name.removesuffix(end): one["relative"] for name, one in made.items() if name.endswith(end)}


def rank_correlation(x: np.ndarray, y: np.ndarray, seed: int = 0) -> tuple[float, float, float, float]:
    """Spearman's correlation of x and y, float [n], its 95% bootstrap interval over methods, and the p-value of a
    permutation test, two-sided."""
    rng, n = np.random.default_rng(seed), len(x)
    drawn = rng.integers(n, size=(_DRAWS, n))
    drawn = drawn[[len(set(row)) > 2 for row in drawn.tolist()]]  # of two methods the correlation is 1 or -1
    found = [stats.spearmanr(x[at], y[at]).statistic for at in drawn]
    low, high = np.nanpercentile(found, _LEVEL)
    own = stats.permutation_test(
        (y,),
        lambda shuffled: stats.spearmanr(x, shuffled).statistic,
        permutation_type="pairings",
        n_resamples=_DRAWS,
        rng=rng,
    )
    return float(own.statistic), float(low), float(high), float(own.pvalue)


def compared() -> dict[str, dict]:
    """Every pair of tables that are made, by its title: both scores of each method, and their rank correlation."""
    made = {}
    for (real, budget), (world, other) in PAIRS:
        paths = REAL / f"{real}.json", WORLD / f"{world}.json"
        if not all(path.exists() for path in paths):
            continue
        here, there = scores(paths[0], budget), scores(paths[1], other)
        methods = [name for name in here if name in there]
        if len(methods) < _FEWEST:
            continue
        pair = np.array([(there[name], here[name]) for name in methods])
        names = ("spearman", "low", "high", "p")
        made[f"real model at {budget}%, generated world at {other}%"] = {
            "methods": dict(zip(methods, pair.tolist(), strict=True)),
            **dict(zip(names, (round(x, 4) for x in rank_correlation(*pair.T)), strict=True)),
        }
    return made


def verdict(made: dict[str, dict]) -> str:
    """What the correlations say, in words."""
    above = [title for title, one in made.items() if one["low"] > 0]
    if len(above) == len(made):
        return "Methods that do well in the generated world do well on the real model, too: every interval is above 0."
    if above:
        return f"The order of methods agrees in {len(above)} of {len(made)} comparisons; the other intervals include 0."
    return "Every interval includes 0: whether the generated world predicts the order of methods here stays open."


def write() -> None:
    """reports/real_lite.md, .json and .png. Raises InputError where no pair of tables is made."""
    made = compared()
    if not made:
        raise InputError(f"{REAL}: no table to compare; run `make real_lite DATA_PATH=FOLDER`")
    path = artifacts.REPORTS / "real_lite.md"
    artifacts.write_json(path.with_suffix(".json"), made)
    figures.compared(path.with_suffix(".png"), {title: one["methods"] for title, one in made.items()})
    body = [
        [
            title,
            str(len(one["methods"])),
            f"{one['spearman']:+.2f}",
            f"{one['low']:+.2f} to {one['high']:+.2f}",
            f"{one['p']:.3f}",
        ]
        for title, one in made.items()
    ]
    lines = [
        "# Is the generated world a guide?\n",
        "Rel. % of each method in both: SmolLM2-135M on real pictures ([its tables]"
        f"({Path('..') / REAL}), [how](../docs/real_lite.md)) and the generated world "
        "([its tables](tables/leaderboard)). Made by `dvc repro pipelines/testbed/dvc.yaml:guide`.\n",
        f"{verdict(made)}\n",
        markdown(["budgets", "methods", "Spearman", "95% interval", "p"], body),
        "The interval is a bootstrap over methods, p a permutation test. Both treat the scores as exact. Where the "
        "real model scores at chance, its order of methods is noise, and the correlation says nothing.\n",
        "![scores of methods in both](real_lite.png)",
    ]
    artifacts.write_text(path, "\n".join(lines) + "\n")
