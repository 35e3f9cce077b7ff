"""Do capabilities exist here? Which labels each discovered partition agrees with, and whether the gradients of a
subtask differ from those of others."""

from __future__ import annotations

from cadc import artifacts
from cadc.capabilities.labels import LABELS, SHUFFLES, Agreement
from cadc.report.text import markdown

#: Legend of the tables of label agreement.
KEY = (
    "ARI is the adjusted Rand index between the partition and a label of the subtasks: 1 if they are identical, 0 by "
    f"chance. In brackets: the 95th percentile over {SHUFFLES} shuffles of the label. *form*: open, yes/no, choice or "
    "chat; *family* and *meta-task*: as the benchmark defines them; *asked*: the type of answer, such as a colour, a "
    "position or a count; *source*: the folder of the images. Empty: all subtasks have the same label."
)


def cell(one: Agreement) -> str:
    """An agreement as a table cell; empty if there is none."""
    return "" if one is None else f"{one['ari']:z.2f} ({one['shuffled']:z.2f})"


def follows(name: str, n_capabilities: int, labels: dict[str, Agreement], where: str = "") -> str:
    """State which label the partition of discovery `name` agrees with most, and whether it agrees with the type of
    answer (`asked`) more than shuffled labels do. `where`: on which targets."""
    known = {label: one for label, one in labels.items() if one}
    above = {label: one["ari"] for label, one in known.items() if one["ari"] > one["shuffled"]}
    asked = known.get("asked")
    found = f"`{name}`{where} finds {n_capabilities} capabilit{'y' if n_capabilities == 1 else 'ies'}"
    if n_capabilities == 1:
        return f"{found}. There is no partition, so capabilities explain no result of `{name}`."
    if above:
        most = max(above, key=above.__getitem__)
        said = f"{found}. They agree most with *{most}* (ARI {above[most]:z.2f})."
    else:
        said = f"{found}. They agree with no label beyond chance."
    if asked is None:
        return said
    said += f" ARI with the type of answer: {asked['ari']:z.2f} (shuffled labels: {asked['shuffled']:z.2f})."
    if "asked" not in above:
        said += f" In this sense there are no capabilities here, so they explain no result of `{name}`."
    return said


def of_discovery(name: str, n_capabilities: int, labels: dict[str, Agreement]) -> str:
    """The part of reports/capabilities.md on label agreement of a discovery's partition."""
    table = markdown(list(LABELS), [[cell(labels[label]) for label in LABELS]])
    return f"Agreement with labels (ARI):\n\n{table}\n{follows(name, n_capabilities, labels)}\n"


def _rounded(value):
    """Round all floats of a nested dict to four places."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def write(made: dict[str, dict[str, dict]], splits: int) -> None:
    """Write reports/testbed/capabilities.md and .json.

    made: discovery -> set of targets -> `own` (the discovery's own targets), `subtasks` and `capabilities` (counts),
    `agreement` (mean pairwise ARI over bootstrap draws), `labels` (`capabilities.labels.agreements`) and `halves`
    (`capabilities.halves.found_halves`, over `splits` random splits).
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
    where = {True: " on its own targets", False: " on open questions only"}
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
                "For information; no condition. Made by `dvc repro pipelines/testbed/dvc.yaml:capabilities`.\n",
                *(f"- {line}" for line in verdict),
                "\n## Agreement of the partition with labels\n",
                f"{KEY} *agreement*: mean pairwise ARI of the partitions found on bootstrap draws of the probe rows, "
                "over all proxy runs; 1 if every draw finds a single capability. Each line repeats the discovery with "
                "its own settings on the targets given.\n",
                markdown(["discovery", "targets", "subtasks", "capabilities", "agreement", *LABELS], partitions),
                "## Nearest split half\n",
                f"The probe rows of each subtask are split into two random halves, {splits} times. *found*: how often "
                "the other half of the same subtask has the nearest mean gradient (cosine, weighted and centred as in "
                "the discovery). Near 100%: the subtask has a gradient of its own. Near chance: noise.\n",
                markdown(["discovery", "targets", "halves", "found %", "chance %"], halves),
                "Does influence predict training effects? [influence_truth.md](../benchmarks/influence_truth.md).\n",
            ]
        ),
    )
