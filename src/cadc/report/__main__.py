"""Print the committed leaderboard: `python -m cadc.report`."""

from cadc import artifacts
from cadc.compute import console
from cadc.report.leaderboard import REPORTS, rows, summary_of


def main() -> None:
    header, body = rows(summary_of(artifacts.read_json(REPORTS / "metrics.json")))
    console.table("Leaderboard (mean ± sd over seeds)", header, body)
    console.line(
        "see reports/leaderboard.md, reports/plots/, reports/subtasks.csv, reports/costs.md; compare with `dvc metrics diff`"
    )


if __name__ == "__main__":
    main()
