"""Optional sections of a table's page, made from the same small results. A table asks for them with `shows` and
`difficulty`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.metrics import adjusted_rand_score

from cadc.capabilities.labels import LABELS, agreements
from cadc.evaluation.accuracies import accuracies
from cadc.evaluation.results import load_samples
from cadc.evaluation.statistics import BENCHMARKS
from cadc.report import by_step, existence, figures, selections
from cadc.report.capabilities import load_found
from cadc.report.difficulty import against_difficulty, fitted
from cadc.report.stated import Stated
from cadc.report.tables import Line, Table
from cadc.report.text import markdown

_MOST = 8  # lines shown side by side; with more, only the best two are shown


def benchmarks(table: Table, stated: Stated) -> str:
    """Score of each line on each benchmark and meta-task, best in bold; with many lines, only the best two."""
    shown = [name for name in BENCHMARKS if all(name in line.measured.runs for line in table.lines)]
    of_meta = [accuracies(list(load_samples(line.arm).values()), "meta_task") for line in table.lines]
    made = [
        {BENCHMARKS[name]: line.mean(name) for name in shown}
        | {f"{task}: {name}": value for task, own in found.items() for name, value in own.items()}
        for line, found in zip(table.lines, of_meta, strict=True)
    ]
    titles, body = [line.title for line in table.lines], []
    for name in made[0]:
        values = np.array([one[name] for one in made])
        order = np.argsort(-values, kind="stable")
        said = [f"{value:.1f}" for value in values]
        if len(made) <= _MOST:
            body.append([name, *(f"**{text}**" if i == order[0] else text for i, text in enumerate(said))])
        else:
            best = [[titles[i], said[i]] for i in order[:2]]
            body.append([name, *best[0], *best[1], said[0]])
    header = titles if len(made) <= _MOST else ["best", "%", "second", "%", titles[0]]
    return "## Results by benchmark\n\n" + markdown(["", *header], body)


def rows(table: Table, stated: Stated) -> str:
    """The rows that each line selected: noise and sources."""
    arms, facts = {line.title: line.arm for line in table.lines}, selections.load_facts()
    return "\n".join(
        ["## What was selected\n", selections.composition(arms, facts), selections.task_shares(arms, facts)]
    )


def capabilities(table: Table, stated: Stated) -> str:
    """The capabilities behind each line: count, agreement with the first line's, stability, agreement with labels."""
    found = {}
    for line in table.lines:
        folder, _, name = stated.arm(line.arm)["signal"].partition("/")
        if folder == "capabilities":
            found[line.label] = load_found(stated, name)[0]
    first, body = next(iter(found), ""), []
    for label, facts in found.items():
        subtasks, partition = facts["subtasks"], [one["capability"] for one in facts["subtasks"]]
        chosen = next(one for one in facts["stability"] if one["chosen"])
        labels = agreements(subtasks, partition)
        body.append(
            [
                label,
                str(len(subtasks)),
                str(len(set(partition))),
                "" if chosen["ari"] is None else f"{chosen['ari']:.2f}",
                f"{alike(found[first], facts):z.2f}",
                *(existence.cell(labels[name]) for name in LABELS),
            ]
        )
    header = ["", "subtasks", "capabilities", "agreement", f"ARI with *{first}*", *LABELS]
    said = (
        "*agreement*: mean pairwise ARI of the partitions found on bootstrap draws of the probe rows. ARI with the "
        "first row is over the subtasks that both have; it is 1 for identical partitions. "
        f"{existence.KEY}"
    )
    return f"## Capabilities\n\n{said}\n\n" + markdown(header, body)


def alike(one: dict, other: dict) -> float:
    """Adjusted Rand index of two discoveries' partitions (facts.json), over the subtasks that both have."""
    first, second = (
        {(s["target"], s["name"]): s["capability"] for s in facts["subtasks"]} for facts in (one, other)
    )  # fmt: skip
    both = [key for key in first if key in second]
    return float(adjusted_rand_score([first[key] for key in both], [second[key] for key in both]))


def difficulty(table: Table, path: Path) -> str:
    """Gain of one line over another by subtask difficulty for full data, with a Gaussian fitted to each benchmark
    (PROGRESS, Fig. 7). Writes PATH_difficulty.png."""
    better, worse = (_line(table, label) for label in table.spec["difficulty"])
    arms = (better.arm, worse.arm, table.spec["full"])
    points = against_difficulty(*(list(load_samples(arm).values()) for arm in arms))
    fits = {name: fitted(*one) for name, one in points.items()}
    file = path.with_name(f"{path.name}_difficulty.png")
    figures.difficulty(file, points, fits, f"points over {worse.label}")
    body = [
        [
            name,
            str(len(points[name][0])),
            *([""] * 4 if fit is None else [*(f"{x:.1f}" for x in fit[:3]), f"{fit[3]:.2f}"]),
        ]
        for name, fit in fits.items()
    ]
    header = ["benchmark", "subtasks", "highest gain, points", "at difficulty, %", "width, %", "R²"]
    said = (
        f"Points of *{better.label}* over *{worse.label}* in each subtask against its difficulty (the error of full "
        "data). A Gaussian is fitted to each benchmark; cells are empty if the fit fails.\n"
    )
    return f"## By difficulty\n\n{said}\n{markdown(header, body)}\n![by difficulty]({file.name})\n"


def _line(table: Table, label: str) -> Line:
    return next(line for line in table.lines if line.label == label)


SECTIONS: dict[str, Callable[[Table, Stated], str]] = {
    "benchmarks": benchmarks, "rows": rows, "capabilities": capabilities,
}  # fmt: skip


def of(table: Table, stated: Stated, path: Path) -> list[str]:
    """The sections that the table asks for. path: its page without the suffix."""
    shows = table.spec.get("shows", [])
    parts = [make(table, stated) for name, make in SECTIONS.items() if name in shows]
    parts += [by_step.section(table, path)] if "convergence" in shows else []
    return parts + ([difficulty(table, path)] if table.spec.get("difficulty") else [])
