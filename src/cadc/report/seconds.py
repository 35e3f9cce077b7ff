"""reports/costs.md: what each stage and arm took on the machine at hand. It varies: neither git nor DVC keeps it."""

from __future__ import annotations

from cadc import artifacts
from cadc.report.tables import COLUMNS, Table
from cadc.report.text import markdown


def page(made: dict[str, dict], table: Table) -> str:
    """made: by STAGE@NAME seconds, cpu_seconds, peak_memory_mb and, of some, rows, as `run_stage` writes them."""
    body = [
        [
            name,
            f"{cost['seconds']:.1f}",
            f"{cost['cpu_seconds']:.1f}",
            str(cost["peak_memory_mb"]),
            f"{cost['rows'] / cost['seconds']:.0f}" if cost.get("rows") and cost["seconds"] else "",
        ]
        for name, cost in made.items()
    ]
    whole = [f"{sum(cost[key] for cost in made.values()):.1f}" for key in ("seconds", "cpu_seconds")]
    body.append(["all", *whole, str(max((cost["peak_memory_mb"] for cost in made.values()), default=0)), ""])
    stages = markdown(["stage", "seconds", "CPU seconds", "peak memory, MB", "rows/s"], body)

    def taken(stage: str, arm: str, n: int = 1) -> str:
        cost = made.get(f"{stage}@{arm}")
        return f"{cost['cpu_seconds'] / n:.1f}" if cost else ""

    scores = [
        [
            line.title,
            taken("curate", line.arm),
            taken("finetune", line.arm, len(line.measured.seeds)),
            f"{line.mean(table.judged):.1f}",
        ]
        for line in table.lines
    ]
    header = ["arm", "CPU seconds of `curate`", "of one fine-tuning, its measurements included", COLUMNS[table.judged]]
    return (
        f"# What each stage cost on this machine\n\n{stages}\n## Score against time\n\n"
        f"What `curate` reads was made by the stages above.\n\n{markdown(header, scores)}"
    )


def write(table: Table) -> None:
    """Nothing where no stage ran here."""
    if artifacts.COSTS.exists():
        made = {path.stem: artifacts.read_json(path) for path in sorted(artifacts.COSTS.glob("*.json"))}
        (artifacts.REPORTS / "costs.md").write_text(page(made, table))
