"""Print the committed leaderboard: `python -m cadc.report`."""

from cadc import artifacts, console
from cadc.report.leaderboard import REPORTS, rows


def main() -> None:
    metrics = artifacts.read_json(REPORTS / "metrics.json")
    summary = {(method, budget): figures for method, budgets in metrics.items() for budget, figures in budgets.items()}
    header, body = rows(summary)
    console.table("Leaderboard (mean ± sd over seeds)", header, body)
    console.line("see reports/leaderboard.md, reports/plots/, reports/subtasks.csv, reports/costs.md; compare with `dvc metrics diff`")


if __name__ == "__main__":
    main()
