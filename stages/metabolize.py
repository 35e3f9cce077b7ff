"""metabolize: diagnose the pool, update it and validate the update on the probe split, in rounds (metabolism/dvc.yaml).

    dvc repro pipelines/metabolism/dvc.yaml:metabolize
    dvc exp run -S pool.lineage=reports/metabolism/lineage.csv      # any selector then uses the last accepted version

A killed run resumes. The scoring split and noise labels are read only for the report, after the last round.
"""

import os

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

from cadc import artifacts
from cadc.compute import launch, shards
from cadc.compute.stage import run_stage
from cadc.config.params import Params
from cadc.data.lineage import version_of
from cadc.metabolism.rounds import run_rounds
from cadc.metabolism.trials import score_versions
from cadc.report import metabolism


def main(params: Params) -> None:
    if params.clean.pool != "raw" or version_of(artifacts.load_pool()) > 0:
        raise ValueError(
            "metabolism starts from the raw pool; set clean.pool: raw and pool.lineage: null, and run `dvc repro pool`"
        )
    launch.refuse_ranks("metabolize")
    outcome = run_rounds(params)
    names = dict.fromkeys([outcome.rounds[0].version, outcome.last])
    scored = score_versions(params, {name: outcome.trials[name] for name in names})
    metabolism.write(params, outcome, scored)
    shards.forget("metabolize")


if __name__ == "__main__":
    run_stage("metabolize", main)
