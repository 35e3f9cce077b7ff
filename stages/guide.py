"""guide: do methods come out in the same order in the generated world and on a real model? (testbed/dvc.yaml)"""

from cadc.compute.stage import run_stage
from cadc.config.params import Params
from cadc.report import guide


def main(params: Params) -> None:
    guide.write()


if __name__ == "__main__":
    run_stage("guide", main)
