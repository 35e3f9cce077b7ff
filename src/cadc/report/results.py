"""What README.md and docs/reproduce.md show of the committed results: a ranking, findings, published figures.

Everything is read from the Markdown tables and JSON files under reports/, so each figure stands there, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cadc import artifacts
from cadc.report import guide
from cadc.report.stated import Stated, titled
from cadc.report.text import NOT_MADE, markdown

TABLES = artifacts.REPORTS / "tables"
#: The tables that README ranks, by their budget.
RANKED = {
    budget: TABLES / "leaderboard" / f"every_method_at_{budget.rstrip('%')}_of_the_pool.md" for budget in ("5%", "20%")
}
#: Likewise of the study of a real model (records/), and the comparison of both.
REAL = {budget: guide.REAL / f"at_{budget.rstrip('%')}_of_the_pool.md" for budget in ("10%", "30%")}
GUIDE = artifacts.REPORTS / "real_lite.json"
CLAIMS = TABLES / "ablations" / "against_random_rows_and_without_each_of_its_parts.md"
LEADERBOARD, CAPABILITIES = artifacts.REPORTS / "leaderboard.md", artifacts.REPORTS / "testbed" / "capabilities.json"
OURS, PAPERS, BASELINE = "influence_coverage", "cadc", "random"
Lines = dict[str, dict[str, str]]


def grid(path: Path, column: str) -> str:
    """The first table of a page that has `column`, as it stands there; NOT_MADE where the page is missing."""
    if not path.exists():
        return f"{NOT_MADE}\n"
    found = re.findall(r"(?:^\|.*\n)+", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return next(table for table in found if f" {column} |" in table.partition("\n")[0])


def lines(path: Path, column: str = "Rel. %") -> Lines:
    """The rows of `grid`, by their first cell: a text for each further column. Empty where the page is missing."""
    if not path.exists():
        return {}
    head, _, *body = [[cell.strip() for cell in line.split("|")[1:-1]] for line in grid(path, column).splitlines()]
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in body}


def ranked(budget: str, tables: dict[str, Path] | None = None) -> Lines:
    """A ranked table by label, without the budget, the highest mean first. tables: by budget; RANKED if None."""
    found = lines((tables or RANKED)[budget]).items()
    return {
        label.removesuffix(f", {budget}"): cells
        for label, cells in sorted(found, key=lambda item: (-float(item[1]["Rel. %"].split()[0]), item[0]))
    }


def against(cells: dict[str, str]) -> int:
    """Where an arm's difference to random rows lies, by its 95% interval: 1 above zero, -1 below, 0 neither."""
    bounds = [float(x) for x in re.findall(r"[+-][\d.]+", cells["difference (95%)"])[1:]]
    return 1 if bounds and bounds[0] > 0 else -1 if bounds and bounds[1] < 0 else 0


def _score(cells: dict[str, str]) -> str:
    """`92.9 (91.3 to 94.5) ↑`."""
    return f"{cells['Rel. %'].split()[0]} ({cells['Rel. %, 95%']}){ {1: ' ↑', -1: ' ↓', 0: ''}[against(cells)] }"


def results(tables: dict[str, Path] | None = None) -> str:
    """Every arm at both budgets, by its mean at the first; ours, the paper's and the baseline in bold. tables: by
    budget; RANKED if None."""
    tables = tables or RANKED
    made = {budget: ranked(budget, tables) for budget in tables if tables[budget].exists()}
    if not made:
        return f"{NOT_MADE}\n"
    labels = dict.fromkeys(label for arms in made.values() for label in arms)
    body = []
    for label in labels:
        cells = [made[budget].get(label) if budget in made else None for budget in tables]
        cost = next((one["selection, TFLOP"] for one in cells if one), "")
        shown = f"**{label}**" if label in (OURS, PAPERS, BASELINE) else label
        body.append([shown, *(_score(one) if one else NOT_MADE for one in cells), cost or "not counted"])
    heads = [*(f"Rel. % at {budget}" for budget in tables), f"selection at {next(iter(tables))}, TFLOP"]
    return markdown(["method", *heads], body)


def _above_chance(path: Path) -> Iterator[str]:
    """Whether tuning on all rows lifts the model above chance, by more than two sd over seeds; if not, a table ranks
    nothing."""
    if cells := lines(path).get("full"):
        mean, spread = (float(x) for x in cells["corrected"].split(" ± "))
        verdict = "above chance" if mean > 2 * spread else "not above chance, so these scores rank no method"
        yield f"Tuned on all rows, the model scores {cells['corrected']} corrected for chance: {verdict}."


def _labels_followed(path: Path) -> Iterator[str]:
    """What the capabilities of the real model follow, by the adjusted Rand index with each label."""
    for name, cells in lines(path, "subtasks").items():
        n = int(cells["capabilities"])
        followed = [f"{label} {cells[label]}" for label in ("form", "meta-task", "source") if cells[label]]
        if n > 1 and followed:
            yield (
                f"`{name}` discovers {n} capabilities. Their adjusted Rand index with labels of the subtasks (in "
                f"brackets: the 95th percentile with shuffled labels): {', '.join(followed)}."
            )


def _faults_found() -> Iterator[str]:
    """How well the checks find the faults that were planted in the real model's pool."""
    for name, cells in lines(guide.REAL.parents[1] / "cleaning.md", "planted").items():
        if int(cells["planted"] or 0):
            found, right = (round(100 * float(cells[key])) for key in ("recall", "precision"))
            planted = cells["planted"]
            yield f"The check `{name}` finds {found}% of {planted} planted faults; {right}% of its flags are right."


def _correlations() -> Iterator[str]:
    """Whether methods are ranked as on the generated data set."""
    for title, one in (artifacts.read_json(GUIDE) if GUIDE.exists() else {}).items():
        between = f"{one['low']:+.2f} to {one['high']:+.2f}"
        yield f"Rank correlation of {len(one['methods'])} methods, {title}: {one['spearman']:+.2f} ({between})."


def real_model() -> str:
    """The ranking by the study of a real model, whether it means anything, its capabilities, what the checks find, and
    whether the generated data set ranks methods alike."""
    first = next(iter(REAL.values()))
    said = [*_above_chance(first), *_labels_followed(first), *_faults_found(), *_correlations()]
    made = {budget: path for budget, path in REAL.items() if path.exists()}
    return results(made or REAL) + "".join(["\n"] * bool(said) + [f"- {point}\n" for point in said])


def _names(arms: Lines, sign: int) -> list[str]:
    return [label for label, cells in arms.items() if against(cells) == sign]


def _counted() -> Iterator[str]:
    """How many arms are above and below random rows."""
    for budget in RANKED:
        if arms := ranked(budget):
            above, below = _names(arms, 1), _names(arms, -1)
            names = f" ({', '.join(f'`{name}`' for name in above)})" if above else ""
            others = len(arms) - 1
            score = "scores" if len(above) == 1 else "score"
            yield f"At {budget}, {len(above)} of {others} arms {score} above random rows{names}, {len(below)} below."


def _published_cadc() -> Iterator[str]:
    if cells := ranked("5%").get(PAPERS):
        theirs = next(row["published"] for row in compared() if row["label"] == PAPERS)
        score, difference = cells["Rel. %"].split()[0], cells["difference (95%)"]
        yield (
            f"The published method, `{PAPERS}`, scores {score} at 5%: {difference} against random rows. "
            f"Its paper reports {theirs}, with SmolVLM-256M and other data."
        )


def _costly() -> Iterator[str]:
    found = lines(LEADERBOARD, "total / full data")
    if row := next((cells for label, cells in found.items() if label.startswith(OURS)), None):
        yield (
            f"Choosing 5% with `{OURS}` and tuning on it takes {row['total / full data']} times the operations of "
            "tuning on all rows."
        )


def _parts() -> Iterator[str]:
    """What the claims on single parts of our method came to; a difference is of the method to itself without a part."""
    for claim, cells in lines(CLAIMS, "verdict").items():
        changed = claim.removeprefix(f"{OURS} > ").rpartition(",")[0].partition(":")[0]
        if changed.startswith("with") and " and " not in changed:
            how, _, part = changed.partition(" ")
            points = cells["difference in Rel. %"].lstrip("+-")
            came = {"holds": f"costs {points} points", "reversed": f"gains {points} points"}
            said = came.get(cells["verdict"], "makes no clear difference")
            does = f"Leaving *{part}* out of" if how == "without" else f"Adding *{part}* to"
            yield f"{does} `{OURS}` {said} ({cells['95% interval']})."


def _capabilities() -> Iterator[str]:
    if CAPABILITIES.exists():
        for name, sets in artifacts.read_json(CAPABILITIES).items():
            own = next(one for one in sets.values() if one["own"])
            n, labels = own["capabilities"], own["labels"]
            said = f"`{name}` discovers {n} capabilit{'y' if n == 1 else 'ies'}"
            if n == 1:
                yield f"{said}, so its results do not rest on capabilities."
            elif labels["form"] and labels["asked"]:
                yield (
                    f"{said}. Their adjusted Rand index (0: chance, 1: the same grouping) is "
                    f"{labels['form']['ari']:z.2f} with the answer's form and "
                    f"{labels['asked']['ari']:z.2f} with what is asked."
                )


def findings() -> str:
    """What the committed results say, good or bad: a point each, whatever the figures are."""
    points = [" ".join(said()) for said in (_counted, _published_cadc, _costly, _parts, _capabilities)]
    made = [point for point in points if point]
    return "\n".join(f"{i}. {point}" for i, point in enumerate(made, 1)) + "\n" if made else f"{NOT_MADE}\n"


def _measured(stated: Stated) -> dict[str, str]:
    """Rel. % of every arm that some table on the scoring split shows, with its interval."""
    found = {}
    for pipeline, levels in stated.pipelines.items():
        for name, spec in levels.get("tables", {}).items():
            shown = lines(TABLES / pipeline / f"{name}.md") if spec["split"] == "score" else {}
            for row in spec["rows"] if shown else ():
                arm = stated.arm(row["arm"])
                if cells := shown.get(titled(row["label"], arm["budget"], arm["method"] == "full")):
                    between = cells.get("Rel. %, 95%")
                    found[row["arm"]] = cells["Rel. %"].split()[0] + (f" ({between})" if between else "")
    return found


def compared() -> Iterator[dict[str, Any]]:
    """Every published figure: `table` (its statement), `label`, `published`, `ours`, `command`."""
    stated = Stated()
    ours = _measured(stated)
    for levels in stated.pipelines.values():
        for spec in levels.get("tables", {}).values():
            arms = {row["label"]: row["arm"] for row in spec["rows"]}
            for label, theirs in spec["published"].items():
                yield {
                    "table": spec,
                    "label": label,
                    "published": f"{theirs:.1f}",
                    "ours": ours.get(arms[label], NOT_MADE),
                    "command": stated.command("score", "arms", arms[label]),
                }


def published() -> str:
    """Published figures beside ours, a table for each table of conf/studies that states some."""
    rows, parts = list(compared()), []
    for title in dict.fromkeys(row["table"]["title"] for row in rows):
        own = [row for row in rows if row["table"]["title"] == title]
        body = [[row["label"], row["published"], row["ours"], f"`{row['command']}`"] for row in own]
        table = markdown(["arm", "published", "ours (95%)", "command"], body)
        parts.append(f"**{title}.** {own[0]['table']['about']}\n\n{table}")
    return "\n".join(parts) if parts else f"{NOT_MADE}\n"
