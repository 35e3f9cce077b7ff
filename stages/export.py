"""export ARM: the selected rows of each seed as files for trainers, with why.parquet on the reasons.

    dvc repro pipelines/export/dvc.yaml:export@ARM

why.parquet also lists the next rows below the budget line: those that a budget larger by `export.below` would add, with
the same random draws. For methods that select during training these are not known.
"""

import numpy as np
import pyarrow as pa

from cadc import artifacts
from cadc.compute import console
from cadc.compute.stage import run_stage
from cadc.config.arms import Variant
from cadc.config.budgets import n_selected
from cadc.config.errors import InputError
from cadc.config.params import Params
from cadc.config.targets import target_name
from cadc.export.files import write_files
from cadc.export.manifest import manifest, pool_digest
from cadc.export.records import chosen_rows, image_folder
from cadc.export.why import Measured, below, capability_of, flags_of, next_budget, target_influence, why_table
from cadc.selectors.loading import choose, load_selector, load_signal, measure, scores

VARIANT = Variant.asked("arms")


def known_of(params: Params, pool: pa.Table, score: np.ndarray | None) -> Measured:
    """Everything known about each pool row besides the method's own score."""
    capability, influence, flags = None, {}, None
    if (by := params.arm.curate.by) != "pool":
        told = artifacts.load_arrays(artifacts.ROOT / by)
        entries = artifacts.read_json(artifacts.ROOT / by / "capabilities.json")
        capability = told["influence"].argmax(1)
        influence = target_influence(told["affinity"], [target_name(entry["target"]) for entry in entries])
    if params.export.flags == "cleaning":
        flags = flags_of(artifacts.read_table(artifacts.CLEANING / "findings.parquet"), pool["id"].to_pylist())
    features = [artifacts.load_array(artifacts.EMBEDDINGS / f"{view}.npy") for view in ("image", "sentence")]
    return Measured(np.concatenate(features, 1), score, capability, influence, flags)


def main(params: Params) -> None:
    arm, pool, name, asked = params.arm, artifacts.load_pool(), VARIANT.name, params.export
    selector, settings = load_selector(arm.method, arm.select, f"{VARIANT.file}: arms.{name}")
    goes_on = hasattr(selector, "plan")
    if goes_on != (arm.rows == "adapters"):
        lies = "adapters" if goes_on else "selections"
        raise InputError(f"{VARIANT.file}: arms.{name}.rows is {arm.rows}; set it to {lies}, where its rows are")
    signal = load_signal(arm, pool)
    measured = None if goes_on else measure(selector, signal, settings)
    known = known_of(params, pool, scores(selector, measured, settings))
    n = n_selected(arm.budget, pool.num_rows)
    wider = next_budget(n, asked.below, asked.least_below, pool.num_rows)
    path_of = artifacts.unlocked_path if goes_on else artifacts.selection_path
    runs = {seed: artifacts.load_selection(path_of(name, seed)) for seed in arm.seeds}
    chosen = chosen_rows(pool, np.concatenate([run.row for run in runs.values()]), params)
    folder, ids = image_folder(params.data), pool["id"].combine_chunks()
    of_pool = {"rows": pool.num_rows, "sha256": pool_digest(pool, folder)}
    artifacts.fresh(artifacts.EXPORT / name)
    for seed, selection in runs.items():
        run, rows = artifacts.run_name(seed), np.unique(selection.row)
        out = artifacts.EXPORT / name / run
        root = write_files(out, selection, chosen, folder, asked.formats, asked.images, f"{name}_{run}")
        following = np.empty(0, np.int64)
        if not goes_on:
            following = below(choose(selector, measured, wider, settings, seed, drawn_at=n), rows, known.score)
        artifacts.write_table(out / "why.parquet", why_table(selection, following, ids, known, asked.exact_rows))
        facts = {
            "arm": name,
            "seed": seed,
            "pool": of_pool,
            "formats": asked.formats,
            "images": {"paths": asked.images, "relative_to": root},
            "rows_below_the_line": None if goes_on else len(following),
        }
        said = manifest(
            arm, selection, [chosen[row] for row in rows.tolist()], capability_of(selection, known.capability), facts
        )
        artifacts.write_json(out / "manifest.json", said)
    console.line(f"export: {name}: {n} rows of each of {len(runs)} seeds in {artifacts.EXPORT / name}")


if __name__ == "__main__":
    run_stage("export", main, VARIANT)
