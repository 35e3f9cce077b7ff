"""clean: run every check on every raw row, write a report with examples, and apply the checks' actions to the pool."""

from cadc import artifacts
from cadc.cleaning.actions import changes_of, write_cleaned
from cadc.cleaning.checks import check_pool, findings_table
from cadc.cleaning.pool import pool_copies
from cadc.compute import console, launch, shards
from cadc.compute.stage import run_stage
from cadc.config.cleaning import BY_MODEL
from cadc.config.params import Params
from cadc.data.labels import load_labels
from cadc.report import cleaning


def main(params: Params) -> None:
    launch.refuse_ranks("clean")
    pool, settings = artifacts.load_pool(artifacts.RAW), params.clean
    copies = pool_copies(settings.duplicates, "clean")
    out = artifacts.fresh(artifacts.CLEANING)
    found = check_pool(pool, copies, params, "clean_text")
    artifacts.write_table(out / "findings.parquet", findings_table(found, pool["id"]))
    artifacts.save_array(out / "copies.npy", copies.keeper)
    changes = changes_of(found, pool, settings, params.model)
    write_cleaned(artifacts.fresh(artifacts.CLEANED), pool, changes)
    n_dropped = sum(change.action == "drop" for change in changes)
    n_rewritten = len(changes) - n_dropped
    labels = load_labels(artifacts.RAW)
    cleaning.write(artifacts.REPORTS, pool, found, copies, labels, settings, n_dropped, n_rewritten)
    shards.forget("clean")
    shards.forget("clean_text")
    for name, f in found.items():
        console.line(f"{name}: {f.flag.sum()} rows flagged, {getattr(settings, name).action}")
    missing = ", ".join(name for name in BY_MODEL if name not in found)
    console.line(
        f"clean: {n_dropped} of {pool.num_rows} rows dropped, {n_rewritten} rewritten"
        + (f"; not run because clean.evidence is raw: {missing}" if missing else "")
    )


if __name__ == "__main__":
    run_stage("clean", main)
