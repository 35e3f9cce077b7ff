"""crossfit: what adapters that never saw a row make of its answers, with its image and others; how well both agree."""

from cadc import artifacts
from cadc.cleaning.cross_fitting import fold_of
from cadc.cleaning.held_out import forget, judge_pool, write_evidence
from cadc.cleaning.pool import pool_copies
from cadc.compute import launch, shards
from cadc.compute.stage import run_stage
from cadc.config.errors import InputError
from cadc.config.params import Params
from cadc.model.fit import Fit


def main(params: Params) -> int:
    launch.refuse_ranks("crossfit")
    if misfits := Fit(params.model).misfits(artifacts.load_pool(artifacts.RAW)):  # now, not in the midst of training
        raise InputError(
            f"{artifacts.RAW / 'rows.parquet'}, row id {misfits[0]['id']}: {misfits[0]['reason']} ({len(misfits)} such "
            "rows; every row of the raw pool is judged, so take them out of the file)"
        )
    keeper = pool_copies(params.clean.duplicates, "crossfit_prints").keeper
    fold = fold_of(keeper, params.crossfit.folds, params.crossfit.seed)
    folders = judge_pool(fold, keeper, params)
    write_evidence(artifacts.fresh(artifacts.CROSSFIT), folders, fold)
    shards.forget("crossfit_prints")
    forget()
    return len(fold)


if __name__ == "__main__":
    run_stage("crossfit", main)
