"""report: the leaderboard, its plots, metrics.json and the statistics of selections, from the small results in git."""

from cadc import artifacts
from cadc.compute import console
from cadc.compute.stage import run_stage
from cadc.config.params import Params
from cadc.report import capabilities, leaderboard, rounds, seconds
from cadc.report.stated import Stated


def main(params: Params) -> None:
    stated = Stated()
    table = leaderboard.make(stated, params.evaluate.bootstrap)
    plots = artifacts.fresh(artifacts.REPORTS / "plots")
    leaderboard.write(table, stated, plots)
    capabilities.write(stated, plots)
    rounds.write(stated, plots)
    seconds.write(table)
    console.line("leaderboard: reports/leaderboard.md")


if __name__ == "__main__":
    run_stage("report", main)
