"""Metabolism's report: flags, diagnosis, the changes of each round and their gain.

It shows changed rows with their images, the mix of each version, and the lineage.
"""

from __future__ import annotations

import textwrap
from dataclasses import asdict

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pyarrow as pa
from matplotlib import pyplot as plt

from cadc import artifacts
from cadc.config.params import Params
from cadc.config.world import OTHER_FAULTS
from cadc.data.labels import load_labels
from cadc.data.lineage import Change, answers_of, write_lineage
from cadc.data.pictures import open_image
from cadc.evaluation.statistics import Samples, measure
from cadc.features.embeddings import row_text
from cadc.metabolism.diagnosis import failed_steps
from cadc.metabolism.reasoning import REASON
from cadc.metabolism.rounds import Outcome, Round
from cadc.metabolism.validation import FIGURE
from cadc.report.diagnosis import capability_table, diagnosis_table, steps_table
from cadc.report.figures import STYLE, save
from cadc.report.mix import draw_mixes, mix_section
from cadc.report.text import markdown

FOLDER = artifacts.REPORTS / "metabolism"
FIGURES = {
    "corrected_open": "open",
    "corrected_yesno": "yes/no",
    "corrected_choice": "multiple choice",
    FIGURE: "mean of forms",
}
SHOWN = 10  # changed rows shown with their images
ACTIONS = ("drop", "add", "rewrite")


def _figures(tables: list[pa.Table]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation over seeds of each metric, in percent."""
    made = [measure(Samples.of_table(table)) for table in tables]
    return {
        name: {"mean": round(float(np.mean(values)), 2), "sd": round(float(np.std(values, ddof=1)), 2)}
        for name in FIGURES
        if all(name in run for run in made)
        for values in [[run[name] for run in made]]
    }


def _counts(changes: list[Change]) -> dict[str, int]:
    return {action: sum(change.action == action for change in changes) for action in ACTIONS}


def metrics(outcome: Outcome, scored: dict[str, list[pa.Table]]) -> dict:
    """Metrics of round_0 (the raw pool) and of each round: rows, changes, scores on the probe split, gain, acceptance.

    `failed`: wrong answers of the previous version by failed step. `score` covers the first and the last version,
    `mix` the first and each accepted version.
    """
    first = outcome.rounds[0].version
    probe = {name: _figures([trial.samples for trial in trials]) for name, trials in outcome.trials.items()}
    out: dict = {first: {"rows": outcome.n_rows[first], "probe": probe[first]}}
    for made in outcome.rounds:
        name = f"round_{made.number}"
        out[name] = {"changes": _counts(made.changes), "accepted": int(made.accepted)}
        out[name]["failed"] = failed_steps(made.found)
        if made.verdict is not None:
            verdict = {
                "gain": round(made.verdict.gain, 2),
                "low": round(made.verdict.low, 2),
                "by_seed": [round(x, 2) for x in made.verdict.by_seed],
            }
            out[name] |= {"rows": outcome.n_rows[name], "probe": probe[name]} | verdict
    out["score"] = {"first" if name == first else "last": _figures(tables) for name, tables in scored.items()}
    out["mix"] = {mix.version: asdict(mix) | {"rows": mix.n_rows} for mix in outcome.mixes}
    return out | {"accepted": outcome.last}


def _labels_said(changes: list[Change]) -> str:
    """Noise labels of the changed rows, as a table; "" without labels. No decision uses these labels."""
    labels = {label["id"]: label for label in load_labels(artifacts.POOL).to_pylist()}
    body = []
    for name, own in (
        ("dropped", [c.row for c in changes if c.action == "drop"]),
        ("rewritten", [c.row for c in changes if c.action == "rewrite" and c.reason != REASON]),
        (REASON, [c.row for c in changes if c.reason == REASON]),
    ):
        known = [labels[row] for row in own if row in labels]
        if known:
            share = [
                f"{100 * np.mean([label['noise'] in faults for label in known]):.0f}"
                for faults in (("wrong",), ("mismatch",), OTHER_FAULTS)
            ]
            copies = 100 * np.mean([bool(label["duplicate_of"]) for label in known])
            sound = 100 * np.mean([label["noise"] == "clean" and not label["duplicate_of"] for label in known])
            body.append([name, str(len(known)), *share, f"{copies:.0f}", f"{sound:.0f}"])
    return (
        markdown(
            [
                "",
                "rows of the raw pool",
                "wrong answers, %",
                "mismatched images, %",
                "other faults, %",
                "duplicates, %",
                "clean, %",
            ],
            body,
        )
        if body
        else ""
    )


def _round_text(made: Round, params: Params) -> list[str]:
    counts = ", ".join(f"{count} x {action}" for action, count in _counts(made.changes).items() if count) or "none"
    by_action = {
        action: sum(d.action == action for d in made.found) for action in dict.fromkeys(d.action for d in made.found)
    }
    parts = [
        f"## Round {made.number}\n",
        f"Diagnosed version: {made.version.replace('_', ' ')}, {made.n_rows} rows. Advice: "
        + ", ".join(f"{n} x {a}" for a, n in by_action.items())
        + ".\n",
    ]
    parts.append(f"Changed: {counts}.\n")
    parts += [f"{made.reasoned}.\n"] if made.reasoned else []
    if made.verdict is not None:
        verdict, level = made.verdict, params.metabolize.level
        seeds = ", ".join(f"{gain:+.1f}" for gain in verdict.by_seed)
        spread = 2 * float(np.std(verdict.by_seed, ddof=1))
        said = "accepted" if verdict.accepted else "rolled back; this advice is not given again"
        parts.append(
            f"Gain on the probe split: {verdict.gain:+.1f} points ({seeds} by seed; 2 sd {spread:.1f}); "
            f"{100 * level:g}% lower bound {verdict.low:+.1f}. Result: **{said}**.\n"
        )
    parts += [
        "Flagged: " + ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in made.flagged.items()) + ".\n",
        _labels_said(made.changes),
    ]
    parts += _folded("Diagnosis by subtask", diagnosis_table(made.found))
    parts += _folded("Steps at which wrong answers fail", steps_table(made.found))
    parts += _folded("By capability", capability_table(made.capabilities) if made.capabilities else "")
    return parts


def _folded(title: str, table: str) -> list[str]:
    """A collapsible table; nothing if the table is empty."""
    return [f"<details><summary>{title}</summary>\n", table, "</details>\n"] if table else []


@matplotlib.rc_context(STYLE)
def _draw_changes(outcome: Outcome, changes: list[Change]) -> None:
    """Draw changes.png: changed rows, split evenly over the actions and spread over the lineage."""
    place = {name: i for i, name in enumerate(outcome.index.rows["id"].to_pylist())}
    shown: list[Change] = []
    groups = [[c for c in changes if c.action == action and (c.source or c.row) in place] for action in ACTIONS]
    groups = [group for group in groups if group]
    for i, group in enumerate(groups):
        n = SHOWN // len(groups) + (i < SHOWN % len(groups))
        shown += [group[k] for k in np.unique(np.linspace(0, len(group) - 1, n).astype(int))]
    figure, axes = plt.subplots(2, -(-SHOWN // 2), figsize=(13, 6.4))
    for axis in axes.flat:
        axis.axis("off")
    for axis, change in zip(axes.flat, shown, strict=False):
        row = outcome.index.rows.slice(place[change.source or change.row], 1).to_pylist()[0]
        if row["images"]:
            axis.imshow(np.asarray(open_image(row["images"][0])), interpolation="nearest")
        axis.set_title(f"{change.action} {change.row}", fontsize=7, fontweight="bold")
        answers = " | ".join(change.before or answers_of(row["turns"])) + (
            f" → {' | '.join(change.after)}" if change.after else ""
        )
        lines = [
            *textwrap.wrap(row_text(row["turns"], answers=False), 44)[:3],
            *textwrap.wrap(f"> {answers}", 44)[:2],
            *textwrap.wrap(change.reason, 50)[:3],
        ]
        axis.text(0.5, -0.04, "\n".join(lines), transform=axis.transAxes, ha="center", va="top", fontsize=6)
    figure.tight_layout(h_pad=6.0)
    save(figure, FOLDER / "changes.png")


def write(params: Params, outcome: Outcome, scored: dict[str, list[pa.Table]]) -> None:
    """Write reports/metabolism.json, metabolism.md and metabolism/.

    The folder holds lineage.csv (accepted changes), rejected.csv (rolled-back changes), changes.png and mix.png.
    """
    artifacts.fresh(FOLDER)
    write_lineage(FOLDER / "lineage.csv", outcome.changes)
    rejected = [change for made in outcome.rounds if not made.accepted for change in made.changes]
    write_lineage(FOLDER / "rejected.csv", rejected)
    made = metrics(outcome, scored)
    artifacts.write_json(artifacts.REPORTS / "metabolism.json", made)
    _draw_changes(outcome, outcome.changes or rejected)
    draw_mixes(FOLDER / "mix.png", outcome.mixes)

    asked = params.metabolize
    names = [name for name in FIGURES if name in made["score"]["first"]]  # only forms that the benchmarks have
    titles = [FIGURES[name] for name in names]

    def cells(figures: dict) -> list[str]:
        return [f"{figures[name]['mean']:.1f} ± {figures[name]['sd']:.1f}" for name in names]

    tried = {name: figures for name, figures in made.items() if isinstance(figures, dict) and "probe" in figures}
    rows = [
        [
            name.replace("_", " "),
            str(figures["rows"]),
            *cells(figures["probe"]),
            {1: "accepted", 0: "rolled back"}.get(figures.get("accepted"), ""),
        ]
        for name, figures in tried.items()
    ]
    score = [
        [{"first": "raw pool", "last": f"last accepted ({outcome.last.replace('_', ' ')})"}[name], *cells(figures)]
        for name, figures in made["score"].items()
    ]
    judged = (
        f"Each version is scored by fine-tuning on random draws of {100 * asked.budget:g}% of the raw pool's rows, "
        f"with the same number of rows and steps, over {len(asked.seeds)} seeds.\n"
        "Scores are chance-corrected, mean ± sd. A round is kept if a paired bootstrap over probe rows and seeds shows "
        "a gain. Made by `make metabolism`.\n"
    )
    legend = (
        "Error kinds and shares are percentages of the wrong answers of all seeds' models. *no image*: the answer is "
        "the same on a grey image. *distance*: cosine distance to the\n"
        f"{asked.neighbors} nearest rows of the pool. Noise labels of the changed rows are used in this report only.\n"
    )
    steps = (
        "Steps: the first failed step counts. *format*: the answer has the wrong form. *looking*: the answer is the "
        "same on a grey image (with few possible answers this also happens by chance), or\n"
        "the model answers correctly once the image is described in words. *reasoning*: the answer is wrong even with "
        "the description. *not told*: there was no description, or\n"
        "the answer to it could not be parsed. Descriptions come from the generated world, which drew the image, or "
        "else from the model itself; what the model's own description omits counts as reasoning.\n"
    )
    artifacts.write_text(
        artifacts.REPORTS / "metabolism.md",
        "\n".join(
            [
                "# Metabolism of the pool\n",
                judged,
                "## Gain\n",
                "On the probe split, which decides whether a round is kept:\n",
                markdown(["version", "rows", *titles, ""], rows),
                "On the held-out scoring split, evaluated after the last round:\n",
                markdown(["version", *titles], score),
                _difference(scored),
                *mix_section(outcome.mixes, "metabolism/mix.png"),
                *(part for each in outcome.rounds for part in _round_text(each, params)),
                legend,
                steps,
                "## Changed rows\n",
                "![changed rows](metabolism/changes.png)\n",
                "All changes: [lineage.csv](metabolism/lineage.csv); "
                "rolled-back changes: [rejected.csv](metabolism/rejected.csv).\n",
            ]
        ),
    )


def _difference(scored: dict[str, list[pa.Table]]) -> str:
    """The last version's gain over the first on the scoring split, by seed."""
    if len(scored) < 2:
        return "No round was accepted: the pool stays as it was.\n"
    first, last = ([measure(Samples.of_table(table))[FIGURE] for table in tables] for tables in scored.values())
    gains = np.array(last) - np.array(first)
    spread = 2 * gains.std(ddof=1)
    beyond = "above" if gains.mean() > spread else "NOT above"
    by_seed = ", ".join(f"{gain:+.1f}" for gain in gains)
    return f"Difference {gains.mean():+.1f} ({by_seed} by seed), {beyond} twice its sd over seeds ({spread:.1f}).\n"
