"""reports/targeted.md: skills by eye, which view each benchmark needs and which one was better, and what a mix of benchmarks costs each.

`python -m cadc.report.targets`, behind `dvc repro views` and `python -m cadc.study studies/views.yaml` (`make targeted` does all three).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pyarrow.parquet as pq
import yaml
from matplotlib import pyplot as plt

from cadc import artifacts
from cadc.features.embeddings import row_text
from cadc.params import Params, load_params
from cadc.report.figures import STYLE, save
from cadc.report.leaderboard import REPORTS, markdown
from cadc.report.tables import Question, Study, interval, rows_of
from cadc.selectors.shared.retrieval import View
from cadc.selectors.shared.targeted import Aim, Which, predicted, rows_of_target

STUDY, ALONE = Path("studies/views.yaml"), "One benchmark at a time"
SHOWN = 20  # rows whose skills are printed


@dataclass(frozen=True)
class Benchmark:
    """What mutual ranking says of a benchmark, from its probe rows and from its description alone: mean R_s|c, mean R_c|s."""

    name: str
    n_rows: int
    ranks: tuple[float, float]
    described: tuple[float, float] | None

    def view(self, lower: Which, described: bool = False) -> Which:
        ranks = self.described if described else self.ranks
        return predicted(*(np.array([rank]) for rank in ranks), lower)


@dataclass(frozen=True)
class Outcome:
    """Scores of a benchmark by seed, in percent, float64 [n_seeds]: tuned on its own rows by either view, on random rows, on the mix."""

    concept: np.ndarray
    skill: np.ndarray
    random: np.ndarray
    mix: np.ndarray

    @property
    def better(self) -> Which:
        return "concept" if self.concept.mean() > self.skill.mean() else "skill"

    @property
    def apart(self) -> tuple[float, float, float]:
        """Skill minus concept, with its 95% interval."""
        return interval(self.skill - self.concept)


def targets_of(table: Question) -> list[str]:
    """The benchmarks that a table tunes for one at a time."""
    return [variant.label.removeprefix("concept: ") for variant in table.variants if variant.label.startswith("concept: ")]


def ranked(names: list[str]) -> list[Benchmark]:
    """Mutual ranking of every benchmark of `names`."""
    arrays = artifacts.load_arrays(artifacts.VIEWS)
    concept, skill = View(np.asarray(arrays["concept"])), View(np.asarray(arrays["skill"]))
    out = []
    for name in names:
        which, said = rows_of_target(arrays["probe_target"], name), None
        ranks = Aim(concept, skill, arrays["probe_concept"][which], arrays["probe_skill"][which]).ranks()
        if "described" in arrays:
            at = np.flatnonzero(arrays["described"] == name)
            said = tuple(float(rank.mean()) for rank in Aim(concept, skill, arrays["described_concept"][at], arrays["described_skill"][at]).ranks())
        out.append(Benchmark(name, len(which), (float(ranks[0].mean()), float(ranks[1].mean())), said))
    return out


def outcomes(table: Question, made: dict[str, dict], names: list[str]) -> dict[str, Outcome]:
    """What fine-tuning gave, of the benchmarks for which all of it has run."""
    runs = {row.variant.label: row.runs for row in rows_of(table, made)}
    out = {}
    for name in names:
        needed = [runs.get(label) for label in (f"concept: {name}", f"skill: {name}", "random", "mix")]
        if all(needed):
            out[name] = Outcome(*(np.array([figures[name] for figures in each.values()]) for each in needed))
    return out


def skills_by_eye(n: int) -> str:
    """Skills of `n` pool rows, evenly spaced."""
    pool, lists = artifacts.load_pool(), pq.read_table(artifacts.VIEWS / "pool.parquet")["skills"]
    body = []
    for i in np.linspace(0, pool.num_rows - 1, n).astype(int).tolist():
        text = row_text(pool["turns"][i].as_py(), answers=False)
        body.append([pool["id"][i].as_py(), text if len(text) <= 150 else text[:147] + "...", "; ".join(lists[i].as_py())])
    return markdown(["row", "its questions", "skills"], [[cell.replace("|", "/") for cell in row] for row in body])


def mean_sd(values: np.ndarray) -> str:
    return f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"


def prediction_table(benchmarks: list[Benchmark], results: dict[str, Outcome], lower: Which) -> str:
    body = []
    for each in benchmarks:
        made = results.get(each.name)
        scores = ["", "", "", ""]
        if made:
            mean, low, high = made.apart
            scores = [mean_sd(made.concept), mean_sd(made.skill), f"{mean:+.1f} ({low:+.1f} to {high:+.1f})", made.better]
        said = each.view(lower, described=True) if each.described else ""
        body.append([each.name, str(each.n_rows), f"{each.ranks[0]:.0f}", f"{each.ranks[1]:.0f}", each.view(lower), said, *scores])
    header = ["benchmark", "probe rows", "mean R_s\\|c", "mean R_c\\|s", "predicted", "from its description", "by concept", "by skill"]
    return markdown([*header, "skill - concept (95%)", "better"], body)


def confusion(benchmarks: list[Benchmark], results: dict[str, Outcome], lower: Which) -> str:
    """Predicted against better, for both readings of the sign, from rows and from descriptions; and where the difference is beyond chance."""
    done = [each for each in benchmarks if each.name in results]
    clear = [each for each in done if results[each.name].apart[1] > 0 or results[each.name].apart[2] < 0]
    body = []
    for described in (False, True):
        if described and not all(each.described for each in done):
            continue
        for reading in (lower, "skill" if lower == "concept" else "concept"):
            counts = [
                sum(each.view(reading, described) == said and results[each.name].better == was for each in done)
                for said in ("concept", "skill")
                for was in ("concept", "skill")
            ]
            right = sum(each.view(reading, described) == results[each.name].better for each in clear)
            source = "description" if described else "probe rows"
            body.append([source, f"{reading}", *map(str, counts), f"{counts[0] + counts[3]} of {len(done)}", f"{right} of {len(clear)}"])
    pairs = [f"{said}, {was}" for said in ("concept", "skill") for was in ("concept", "skill")]
    return markdown(["predicted from", "lower R_s\\|c means", *pairs, "right", "right where the 95% interval excludes 0"], body)


def interference(results: dict[str, Outcome]) -> str:
    """What each benchmark loses in the mix, against rows of its own by its better view."""
    body = []
    for name, made in results.items():
        alone = made.concept if made.better == "concept" else made.skill
        mean, low, high = interval(made.mix - alone)
        body.append([name, mean_sd(made.random), mean_sd(alone), mean_sd(made.mix), f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"])
    return markdown(["benchmark", "random rows", "alone, better view", "in the mix", "mix - alone (95%)"], body)


def draw(path: Path, benchmarks: list[Benchmark], results: dict[str, Outcome]) -> None:
    """R_s|c against R_c|s of every benchmark, colored by the view that was better."""
    colors = {"concept": "#0072b2", "skill": "#d55e00", None: "#999999"}
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7, 6))
        for each in benchmarks:
            better = results[each.name].better if each.name in results else None
            axes.scatter(*each.ranks, color=colors[better], s=40, zorder=3)
            axes.annotate(each.name.split("/")[-1].replace("_", " "), each.ranks, xytext=(5, 4), textcoords="offset points", fontsize=7)
        span = [min(min(each.ranks) for each in benchmarks) * 0.8, max(max(each.ranks) for each in benchmarks) * 1.25]
        axes.plot(span, span, color="#999999", linewidth=1, zorder=1)
        axes.set(
            xscale="log",
            yscale="log",
            xlim=span,
            ylim=span,
            xlabel="mean R_s|c: place by skill of the row nearest by concept",
            ylabel="mean R_c|s: place by concept of the row nearest by skill",
        )
        for name, label in (("concept", "concept was better"), ("skill", "skill was better")):
            axes.scatter([], [], color=colors[name], label=label)
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
    asked = "asked of " + params.views.model if params.views.url else "the nearest entries of `src/cadc/features/skills.txt` by all-MiniLM-L6-v2, line by line"
    parts = [
        "# Targeted selection: concepts or skills\n",
        "Made by `make targeted`. The method is that of arXiv 2508.10339, of which no code was released; the tables of fine-tunings are in [views.md](views.md).\n"
        "A benchmark's probe rows alone are looked at; scores are on its scoring rows.\n",
        "## Skills of twenty rows\n",
        f"Every {artifacts.load_pool().num_rows // SHOWN}th row or so. Skills are {asked}.\n",
        skills_by_eye(SHOWN),
        "## Which view a benchmark needs\n",
        "R_s|c is the place by skill, in the pool, of the row nearest by concept, and R_c|s the other way round; means over probe rows, ties share their place.\n"
        f"Where R_s|c is the lower, `{lower}` is predicted (`select.targeted_auto.lower`). Fine-tuned on 2% of the pool, chosen for that benchmark alone by either view; three seeds.\n",
        prediction_table(benchmarks, results, lower),
        "![alignment](targeted/alignment.png)\n",
        "How often the prediction was right, by either reading of the sign; columns are predicted, better:\n",
        confusion(benchmarks, results, lower),
        "From a description alone (an experiment, ours): it is placed among the pool's images by the contrastive tower's text side, and its skills are the inventory's.\n",
        "## Many benchmarks at once\n",
        "The same 2% shared by all of them, each by its predicted view, against all of it for one.\n",
        interference(results) if results else "Not run yet.\n",
    ]
    (REPORTS / "targeted.md").write_text("\n".join(parts))


if __name__ == "__main__":
    write(load_params())
