"""reports/targeted.md: skills by eye, which view each benchmark needs and which one was better, and what a mix of benchmarks costs each.

`python -m cadc.report.targets`, behind `dvc repro views` and `python -m cadc.study studies/views.yaml` (`make targeted` does all three).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pyarrow.parquet as pq
import yaml
from matplotlib import pyplot as plt

from cadc import artifacts
from cadc.config.params import Params, load_params
from cadc.features.embeddings import row_text
from cadc.report.figures import STYLE, save
from cadc.report.leaderboard import REPORTS, markdown
from cadc.report.tables import Question, Study, interval, rows_of
from cadc.selectors.shared.targeted import Aim, PoolViews, Which, predicted, rows_of_target

STUDY, ALONE = Path("studies/views.yaml"), "One benchmark at a time"
SHOWN = 20  # rows whose skills are printed
_OTHER: dict[Which, Which] = {"concept": "skill", "skill": "concept"}

Ranks = tuple[np.ndarray, np.ndarray]  # R_s|c and R_c|s, float64 [n] each


@dataclass(frozen=True)
class Benchmark:
    """Mutual ranking of a benchmark, by its probe rows and by its description alone (None without a tower)."""

    name: str
    n_rows: int
    ranks: Ranks
    described: Ranks | None = None

    def predicted(self, lower: Which) -> Which:
        return predicted(*self.ranks, lower)


@dataclass(frozen=True)
class Outcome:
    """Scores of a benchmark in percent, by the same seeds float64 [n_seeds]: tuned on rows chosen for it alone by either view, on random rows, on
    the mix. `stale` where some were made with earlier code."""

    concept: np.ndarray
    skill: np.ndarray
    random: np.ndarray
    mix: np.ndarray
    stale: bool = False

    @property
    def better(self) -> Which:
        return "concept" if self.concept.mean() > self.skill.mean() else "skill"

    @property
    def apart(self) -> tuple[float, float, float]:
        """Skill minus concept, with its 95% interval over seeds."""
        return interval(self.skill - self.concept)

    @property
    def is_clear(self) -> bool:
        return self.apart[1] > 0 or self.apart[2] < 0

    def by(self, view: Which) -> np.ndarray:
        return self.concept if view == "concept" else self.skill


def targets_of(table: Question) -> list[str]:
    """The benchmarks that a table tunes for one at a time."""
    return [
        variant.label.removeprefix("concept: ") for variant in table.variants if variant.label.startswith("concept: ")
    ]


def ranked(names: list[str]) -> list[Benchmark]:
    """Mutual ranking of every benchmark of `names`."""
    arrays = artifacts.load_arrays(artifacts.VIEWS)
    pool, out = PoolViews.of(arrays["concept"], arrays["skill"]), []
    for name in names:
        which, said = rows_of_target(arrays["probe_target"], name), None
        if "described" in arrays:
            at = np.flatnonzero(arrays["described"] == name)
            said = Aim(pool, arrays["described_concept"][at], arrays["described_skill"][at]).ranks()
        out.append(
            Benchmark(
                name, len(which), Aim(pool, arrays["probe_concept"][which], arrays["probe_skill"][which]).ranks(), said
            )
        )
    return out


def outcomes(table: Question, made: dict[str, dict], names: list[str]) -> dict[str, Outcome]:
    """What fine-tuning gave, of the benchmarks for which all of it has run."""
    rows = {row.variant.label: row for row in rows_of(table, made)}
    out = {}
    for name in names:
        needed = [rows.get(label) for label in (f"concept: {name}", f"skill: {name}", "random", "mix")]
        if all(needed):
            seeds = sorted(set.intersection(*(set(row.runs) for row in needed)))
            out[name] = Outcome(
                *(np.array([row.runs[seed][name] for seed in seeds]) for row in needed),
                any(row.stale for row in needed),
            )
    return out


def skills_by_eye(n: int) -> str:
    """Skills of `n` pool rows, evenly spaced."""
    pool, lists = artifacts.load_pool(), pq.read_table(artifacts.VIEWS / "pool.parquet")["skills"]
    body = []
    for i in np.linspace(0, pool.num_rows - 1, n).astype(int).tolist():
        text = row_text(pool["turns"][i].as_py(), answers=False)
        body.append(
            [pool["id"][i].as_py(), text if len(text) <= 150 else text[:147] + "...", "; ".join(lists[i].as_py())]
        )
    return markdown(["row", "its questions", "skills"], [[cell.replace("|", "/") for cell in row] for row in body])


def mean_sd(values: np.ndarray) -> str:
    return f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"


def with_interval(apart: np.ndarray) -> str:
    mean, low, high = interval(apart)
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def ranks_apart(ranks: Ranks) -> str:
    """R_s|c minus R_c|s and twice its standard error over probe rows."""
    apart = ranks[0] - ranks[1]
    return f"{apart.mean():+.0f} ({2 * apart.std(ddof=1) / np.sqrt(len(apart)):.0f})" if len(apart) > 1 else ""


def prediction_table(benchmarks: list[Benchmark], results: dict[str, Outcome], lower: Which) -> str:
    body = []
    for each in benchmarks:
        made = results.get(each.name)
        scores = (
            [
                mean_sd(made.concept),
                mean_sd(made.skill),
                with_interval(made.skill - made.concept),
                made.better + " †" * made.stale,
            ]
            if made
            else [""] * 4
        )
        said = predicted(*each.described, lower) if each.described else ""
        places = [f"{rank.mean():.0f}" if len(rank) else "" for rank in each.ranks]
        body.append(
            [each.name, str(each.n_rows), *places, ranks_apart(each.ranks), each.predicted(lower), said, *scores]
        )
    header = [
        "benchmark",
        "probe rows",
        "R_s\\|c",
        "R_c\\|s",
        "difference (2 se)",
        "predicted",
        "from its description",
        "by concept",
        "by skill",
    ]
    return markdown([*header, "skill - concept (95%)", "better"], body)


def confusion(benchmarks: list[Benchmark], results: dict[str, Outcome], lower: Which) -> str:
    """Predicted against better, by either reading of the sign, from probe rows and from descriptions; beside them, always the same view."""
    done = [each for each in benchmarks if each.name in results]
    rules: dict[str, Callable[[Benchmark], Which]] = {}
    for reading in (lower, _OTHER[lower]):
        rules[f"probe rows, lower R_s\\|c means {reading}"] = lambda each, reading=reading: each.predicted(reading)
    if all(each.described for each in done):
        for reading in (lower, _OTHER[lower]):
            rules[f"description, lower R_s\\|c means {reading}"] = lambda each, reading=reading: predicted(
                *each.described, reading
            )
    for view in ("concept", "skill"):
        rules[f"always {view}"] = lambda each, view=view: view
    body = []
    for label, rule in rules.items():
        pairs = [(rule(each), results[each.name]) for each in done]
        counts = [
            sum(said == view and made.better == was for said, made in pairs)
            for view in ("concept", "skill")
            for was in ("concept", "skill")
        ]
        clear = [said == made.better for said, made in pairs if made.is_clear]
        lost = np.mean([made.by(made.better).mean() - made.by(said).mean() for said, made in pairs])
        body.append(
            [
                label,
                *map(str, counts),
                f"{counts[0] + counts[3]} of {len(done)}",
                f"{sum(clear)} of {len(clear)}",
                f"{lost:.1f}",
            ]
        )
    columns = [f"{view}, {was}" for view in ("concept", "skill") for was in ("concept", "skill")]
    return markdown(
        ["predicted from", *columns, "right", "right where the difference is clear", "points lost to the better view"],
        body,
    )


def interference(benchmarks: list[Benchmark], results: dict[str, Outcome], lower: Which) -> str:
    """What each benchmark loses in the mix, against rows of its own by the view that the mix takes for it."""
    body = []
    for each in benchmarks:
        if each.name in results:
            made = results[each.name]
            alone = made.by(each.predicted(lower))
            body.append(
                [
                    each.name,
                    mean_sd(made.random),
                    mean_sd(alone),
                    mean_sd(made.mix),
                    with_interval(made.mix - alone),
                    with_interval(made.mix - made.random),
                ]
            )
    return markdown(
        ["benchmark", "random rows", "alone", "in the mix", "mix - alone (95%)", "mix - random (95%)"], body
    )


def draw(path: Path, benchmarks: list[Benchmark], results: dict[str, Outcome]) -> None:
    """Mean R_s|c against mean R_c|s of every benchmark, colored by the view that was better, filled where that is clear."""
    colors = {"concept": "#0072b2", "skill": "#d55e00", "not tuned yet": "#999999"}
    shown = [(each, tuple(float(rank.mean()) for rank in each.ranks)) for each in benchmarks if len(each.ranks[0])]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7, 6))
        for i, (each, place) in enumerate(
            sorted(shown, key=lambda pair: pair[1])
        ):  # labels to all four sides by turns: many lie close
            made = results.get(each.name)
            color = colors[made.better if made else "not tuned yet"]
            axes.scatter(
                *place, edgecolors=color, facecolors=color if made and made.is_clear else "white", s=40, zorder=3
            )
            axes.annotate(
                each.name.split("/")[-1].replace("_", " "),
                place,
                xytext=((5, -5)[i % 2], (5, -11)[i // 2 % 2]),
                textcoords="offset points",
                fontsize=7,
                ha=("left", "right")[i % 2],
            )
        span = [0.0, 1.1 * max(max(place) for _, place in shown)]
        axes.plot(span, span, color="#999999", linewidth=1, zorder=1)
        axes.set(xlim=span, ylim=span)
        axes.set(
            xlabel="mean R_s|c: place by skill of the row nearest by concept",
            ylabel="mean R_c|s: place by concept of the row nearest by skill",
        )
        for name in ("concept", "skill"):
            axes.scatter([], [], color=colors[name], label=f"{name} was better (filled: clear)")
        axes.legend(frameon=False, loc="lower right")
        save(figure, path)


def write(params: Params) -> None:
    study = Study.model_validate(yaml.safe_load(STUDY.read_text()))
    table = next(table for table in study.tables if table.title == ALONE)
    saved = REPORTS / "views.json"
    names = targets_of(table)
    results = outcomes(table, artifacts.read_json(saved) if saved.exists() else {}, names)
    benchmarks, lower = ranked(names), params.select["targeted_auto"]["lower"]
    draw(REPORTS / "targeted" / "alignment.png", benchmarks, results)
    by = (
        f"asked of {params.views.model}"
        if params.views.url
        else f"the nearest entries of `src/cadc/features/skills.txt` by {params.embed.sentences}, line by line"
    )
    share = f"{100 * table.set['curate.budget']:g}%"
    parts = [
        "# Targeted selection: concepts or skills\n",
        "Made by `make targeted`. The method is that of arXiv 2508.10339, of which no code was released; the tables of fine-tunings are in [views.md](views.md).\n"
        "Of a benchmark only probe rows are read; scores are on its scoring rows.\n",
        f"## Skills of {SHOWN} rows\n",
        f"Evenly spaced over the pool. Skills are {by}.\n",
        skills_by_eye(SHOWN),
        "## Which view a benchmark needs\n",
        "R_s|c is the place by skill, in the pool, of the row nearest by concept, and R_c|s the other way round: means over probe rows, of rows that tie the\n"
        "mean; twice the standard error is too small where probe rows share a list of skills. Where R_s|c is the lower, "
        f"`{lower}` is predicted (`select.targeted_auto.lower`).\n"
        f"Scores: tuned on {share} of the pool, chosen for that benchmark alone by either view; mean ± sd over seeds {', '.join(map(str, table.seeds))}. Intervals are Student's t over seeds;\n"
        "scoring rows (25 a subtask) are not drawn again, so they are too narrow.\n",
        prediction_table(benchmarks, results, lower),
        "† some of it made with earlier code.\n" if any(made.stale for made in results.values()) else "",
        "![alignment](targeted/alignment.png)\n",
    ]
    if results:
        parts += [
            "Was the prediction right? Counts are predicted, better; *clear* where the interval excludes 0.\n",
            confusion(benchmarks, results, lower),
            "From a description (an experiment, ours): its text is placed among the pool's images by the contrastive tower, its skills are the inventory's.\n",
            "## Many benchmarks at once\n",
            f"The same {share} of the pool, shared by all {len(names)}, each by its predicted view, against all of it for one by that view. Each has 1/{len(names)} of the rows it has alone, so that\n"
            "what it loses is to fewer rows of its own as much as to the others'.\n",
            interference(benchmarks, results, lower),
        ]
    (REPORTS / "targeted.md").write_text("\n".join(part for part in parts if part))


if __name__ == "__main__":
    write(load_params())
