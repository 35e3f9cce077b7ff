"""crossfit: judge each row's answers with adapters that were not trained on it, and the match of image and text.

Rows that the model can't learn from raise an error; with pool.on_bad_row: skip or llava they are left out.
"""

import numpy as np

from cadc import artifacts
from cadc.cleaning.cross_fitting import fold_of, keeper_among
from cadc.cleaning.held_out import forget, judge_pool, write_evidence
from cadc.cleaning.pool import pool_copies
from cadc.compute import console, launch, shards
from cadc.compute.stage import run_stage
from cadc.config.params import Params, load_params
from cadc.model.fit import Fit
from cadc.model.misfits import finding, misfits_of, refuse
from cadc.model.unknown import refuse_unknown


def fitting() -> shards.Task:
    """A task: the rows in one stretch of the raw pool that don't fit the model."""
    return finding(Fit(load_params().model), artifacts.RAW)


def main(params: Params) -> int:
    launch.refuse_ranks("crossfit")
    pool, place = artifacts.load_pool(artifacts.RAW), artifacts.RAW / "rows.parquet"
    n_rows = pool.num_rows
    refuse_unknown(params.model, pool, params.pool.unknown_tokens, place)
    misfits = misfits_of(fitting, artifacts.RAW, params.model, "crossfit_fit")  # fail before training, not during it
    refuse(misfits, n_rows, params.pool.on_bad_row, place)
    fits = ~np.isin(np.arange(n_rows), [row["place"] for row in misfits])
    keeper = keeper_among(pool_copies(params.clean.duplicates, "crossfit_prints").keeper, fits)
    fold = np.full(n_rows, -1, np.int32)
    fold[fits] = fold_of(keeper[fits], params.crossfit.folds, params.crossfit.seed)
    folders = judge_pool(fold, keeper, params)
    write_evidence(artifacts.fresh(artifacts.CROSSFIT), folders, fold)
    for stage in ("crossfit_fit", "crossfit_prints"):
        shards.forget(stage)
    forget()
    console.line(
        f"crossfit: judged {fits.sum()} rows, left out {len(misfits)} that {params.model.path} can't learn from; "
        "`pool` leaves them out too"
    )
    return n_rows


if __name__ == "__main__":
    run_stage("crossfit", main)
