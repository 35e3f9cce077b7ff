"""page: reports/index.html, the leaderboard and a browser of the pool's rows, in one file that works offline.

dvc repro page
"""

from cadc.compute import console
from cadc.compute.stage import run_stage
from cadc.config.params import Params
from cadc.report import leaderboard
from cadc.report.page import making
from cadc.report.stated import Stated


def main(params: Params) -> None:
    stated = Stated()
    size = making.write(leaderboard.make(stated, params.evaluate.bootstrap), stated)
    console.line(f"page: {making.PATH}, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    run_stage("page", main)
