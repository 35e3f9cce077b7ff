"""reports/costs.md: time and memory of each stage, arm and endpoint on this machine. It varies between runs, so neither
git nor DVC tracks it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from cadc import artifacts
from cadc.compute import console, replies
from cadc.config.errors import InputError
from cadc.report.tables import COLUMNS, Table
from cadc.report.text import markdown

_JOULES = 3.6e6  # joules per kilowatt-hour
_ENDPOINT = {"requests": "requests", "prompt_tokens": "tokens in", "completion_tokens": "tokens out"}


def watts() -> float | None:
    """Power draw of this machine in watts, from CADC_WATTS; None if unset. Raises InputError if it is not a positive
    number."""
    said = os.environ.get("CADC_WATTS")
    try:
        drawn = float(said) if said else None
    except ValueError:
        drawn = 0.0
    if drawn is not None and not 0 < drawn < float("inf"):
        raise InputError(f"CADC_WATTS is {said!r}; set it to this machine's power draw in watts, for example 350")
    return drawn


def stage_table(made: dict[str, dict], drawn: float | None) -> str:
    """made: STAGE@NAME -> seconds, cpu_seconds, peak_memory_mb and sometimes rows, as `run_stage` writes them."""
    body = [
        [
            name,
            f"{cost['seconds']:.1f}",
            f"{cost['cpu_seconds']:.1f}",
            *_energy(cost["seconds"], drawn),
            str(cost["peak_memory_mb"]),
            f"{cost['rows'] / cost['seconds']:.0f}" if cost.get("rows") and cost["seconds"] else "",
        ]
        for name, cost in made.items()
    ]
    seconds, cpu = (sum(cost[key] for cost in made.values()) for key in ("seconds", "cpu_seconds"))
    peak = max((cost["peak_memory_mb"] for cost in made.values()), default=0)
    body.append(["all", f"{seconds:.1f}", f"{cpu:.1f}", *_energy(seconds, drawn), str(peak), ""])
    energy = ["kWh"] if drawn else []
    return markdown(["stage", "seconds", "CPU seconds", *energy, "peak memory, MB", "rows/s"], body)


def _energy(seconds: float, drawn: float | None) -> list[str]:
    return [f"{seconds * drawn / _JOULES:.3g}"] if drawn else []


def cost_table(made: dict[str, dict], spent: Mapping[str, Mapping], table: Table, drawn: float | None) -> str:
    """Operations, seconds and energy of each arm, and requests to each endpoint. made: as in `stage_table`.

    spent: model behind an endpoint -> counts (`compute.replies`).
    """

    def taken(stage: str, arm: str, n: int = 1) -> list[str]:
        cost = made.get(f"{stage}@{arm}")
        if cost is None:
            return ["", ""] if drawn else [""]
        return [f"{cost['cpu_seconds'] / n:.1f}", *_energy(cost["seconds"] / n, drawn)]

    asked, energy = list(_ENDPOINT) if spent else [], ["kWh"] if drawn else []
    header = ["", "selection, TFLOP", "one fine-tuning, TFLOP", "total, TFLOP", "CPU seconds, `curate`", *energy]
    header += ["CPU seconds, one fine-tuning", *energy, *(_ENDPOINT[name] for name in asked), COLUMNS[table.judged]]
    body = []
    for line in table.lines:
        cost = line.cost
        counted = [f"{x / 1e12:.1f}" for x in (cost.selection, cost.tuning, cost.together)] if cost else ["", "", ""]
        timed = taken("curate", line.arm) + taken("finetune", line.arm, len(line.measured.seeds))
        body.append([line.title, *counted, *timed, *("" for _ in asked), f"{line.mean(table.judged):.1f}"])
    for model, counts in spent.items():
        empty = ["" for _ in header[1 : -1 - len(asked)]]
        body.append([f"endpoint: {model}", *empty, *(str(counts[name]) for name in asked), ""])
    return markdown(header, body)


def page(made: dict[str, dict], spent: Mapping[str, Mapping], table: Table, drawn: float | None = None) -> str:
    """The text of reports/costs.md. The arguments are those of the two tables."""
    said = [
        "Operations are counted: selection once for all seeds, fine-tuning per seed. Seconds are measured on this",
        "machine; the stages above made the inputs of `curate`. Fine-tuning includes the measurements made during it.",
        *([f"Energy is seconds times {drawn:g} W (CADC_WATTS)."] if drawn else []),
        *(["Endpoint counts cover all stored replies of all pipelines."] if spent else []),
    ]
    parts = ["# Cost of each stage on this machine", stage_table(made, drawn), "## Cost of each arm"]
    return "\n\n".join([*(part.strip() for part in parts), "\n".join(said), cost_table(made, spent, table, drawn)])


def write(table: Table) -> None:
    """Write reports/costs.md; does nothing if no stage ran here."""
    if artifacts.COSTS.exists():
        made = {path.stem: artifacts.read_json(path) for path in sorted(artifacts.COSTS.glob("*.json"))}
        try:
            spent = replies.spent_so_far(replies.cache_folder())
        except replies.EndpointError as error:  # the rest of the report does not need it
            console.line(f"costs: endpoint counts are left out: {error}")
            spent = {}
        artifacts.write_text(artifacts.REPORTS / "costs.md", page(made, spent, table, watts()))
