"""Do capabilities exist here? What each discovery's partition follows, and whether subtasks have gradients of their
own."""

from __future__ import annotations

from cadc import artifacts
from cadc.capabilities.labels import LABELS, Agreement
from cadc.report.text import markdown

#: In a table's head: which label, and what only 5 of 100 shuffles of it exceed.
KEY = (
    "ARI is the adjusted Rand index of the partition with a label of the subtasks: 1 where they are the same, 0 by "
    "chance. In brackets what 95 of 100 shuffles of the label do not exceed. *form*: open, yes/no, choice or chat; "
    "*family* and *meta-task*: those of the benchmark; *asked*: what the answer is, a colour, a position, a count and "
    "so on; *source*: the folder of the pictures. Empty: the label does not part the subtasks."
)


def cell(one: Agreement) -> str:
    """An agreement in a table; empty where there is none."""
    return "" if one is None else f"{one['ari']:z.2f} ({one['shuffled']:z.2f})"


def follows(name: str, n_capabilities: int, labels: dict[str, Agreement], where: str = "") -> str:
    """In words, which label the partition of discovery `name` follows most, and whether it follows what is asked for:
    more than shuffled labels, or not. `where`: on which targets."""
    known = {label: one for label, one in labels.items() if one}
    above = {label: one["ari"] for label, one in known.items() if one["ari"] > one["shuffled"]}
    asked = known.get("asked")
    found = f"`{name}`{where} finds {n_capabilities} capabilit{'y' if n_capabilities == 1 else 'ies'}"
    if n_capabilities == 1:
        return f"{found}. It parts nothing, so no result of `{name}` rests on capabilities."
    if above:
        most = max(above, key=above.__getitem__)
        said = f"{found}. They follow *{most}* most, ARI {above[most]:z.2f}."
    else:
        said = f"{found}. They follow no label more than shuffled ones."
    if asked is None:
        return said
    said += f" With what is asked for ARI is {asked['ari']:z.2f} (shuffled labels: {asked['shuffled']:z.2f})."
    if "asked" not in above:
        said += f" In that sense there are no capabilities here, and no result of `{name}` rests on them."
    return said


def of_discovery(name: str, n_capabilities: int, labels: dict[str, Agreement]) -> str:
    """The part of reports/capabilities.md on what a discovery's partition follows."""
    table = markdown(list(LABELS), [[cell(labels[label]) for label in LABELS]])
    return f"What it follows, ARI:\n\n{table}\n{follows(name, n_capabilities, labels)}\n"


def _rounded(value):
    """Figures of a nested dict to four places."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def write(made: dict[str, dict[str, dict]], splits: int) -> None:
    """reports/testbed/capabilities.md and .json.

    made: of each discovery and each set of targets `own` (whether these are the discovery's), `subtasks` and
    `capabilities` (how many), `agreement` (mean pairwise ARI of draws), `labels` (`capabilities.labels.agreements`)
    and `halves` (`capabilities.halves.found_halves`, over so many `splits`).
    """
    cells = [(name, targets, one) for name, sets in made.items() for targets, one in sets.items()]
    path = artifacts.REPORTS / "testbed" / "capabilities.json"
    artifacts.write_json(path, _rounded(made))
    partitions = [
        [
            name,
            targets + (" (its own)" if one["own"] else ""),
            str(one["subtasks"]),
            str(one["capabilities"]),
            f"{one['agreement']:.2f}",
            *(cell(one["labels"][label]) for label in LABELS),
        ]
        for name, targets, one in cells
    ]
    halves = [
        [name, targets, str(2 * one["subtasks"])] + [f"{100 * one['halves'][key]:.1f}" for key in ("found", "chance")]
        for name, targets, one in cells
    ]
    where = {True: " on its own targets", False: " on open questions alone"}
    verdict = [
        follows(name, one["capabilities"], one["labels"], where[one["own"]])
        for name, targets, one in sorted(cells, key=lambda each: not each[2]["own"])
        if one["own"] or targets == "open"
    ]
    artifacts.write_text(
        path.with_suffix(".md"),
        "\n".join(
            [
                "# Do capabilities exist here?\n",
                "A report, no condition. Made by `dvc repro pipelines/testbed/dvc.yaml:capabilities`.\n",
                *(f"- {line}" for line in verdict),
                "\n## What the partition follows\n",
                f"{KEY} *agreement*: mean pairwise ARI of partitions of bootstrap draws of the probe rows, in every "
                "proxy run; 1 where all draws find a single capability. Each discovery is made again with its own "
                "settings on the targets of a line.\n",
                markdown(["discovery", "targets", "subtasks", "capabilities", "agreement", *LABELS], partitions),
                "## Nearest split half\n",
                f"The probe rows of each subtask are parted in two at random, {splits} times. How often is the half "
                "whose mean gradient is nearest (cosine, weighted and centred as the discovery does) the other half "
                "of the same subtask? Near 100%: a subtask's gradient is its own. Near chance: it is noise.\n",
                markdown(["discovery", "targets", "halves", "found %", "chance %"], halves),
                "Whether influence tells what training does: [influence_truth.md](../benchmarks/influence_truth.md).\n",
            ]
        ),
    )
