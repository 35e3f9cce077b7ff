"""Print the committed leaderboard: `python -m cadc.report`."""

from cadc import artifacts
from cadc.compute import console


def main() -> None:
    path = artifacts.REPORTS / "metrics.json"
    if not path.exists():
        raise SystemExit(f"{path}: no such file; run `dvc repro`")
    made = artifacts.read_json(path)
    names = list(dict.fromkeys(name for figures in made.values() for name in figures))
    ranked = sorted(made.items(), key=lambda item: (-item[1].get("relative", item[1].get("corrected", 0)), item[0]))
    rows = [[arm, *(f"{figures[name]:.1f}" if name in figures else "" for name in names)] for arm, figures in ranked]
    console.table("Leaderboard (means over seeds)", ["arm", *names], rows)
    console.line("see reports/leaderboard.md, reports/plots, reports/subtasks.csv; compare with `dvc metrics diff`")


if __name__ == "__main__":
    main()
