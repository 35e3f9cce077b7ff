"""capture NAME: update trajectories and gradients of the probe set's subtasks at every snapshot of the proxy runs."""

from pathlib import Path

import numpy as np
import torch

from cadc import artifacts
from cadc.compute import shards
from cadc.compute.stage import run_stage
from cadc.config.arms import Variant
from cadc.config.params import Params, load_params, n_proxy_runs
from cadc.data.probe import load_probe, sources_of
from cadc.gradients.influence import row_gram, subtask_trajectories
from cadc.gradients.load import load_engine
from cadc.model.encode import EncodedRows
from cadc.model.load import load_processor
from cadc.training.snapshots import load_snapshots

VARIANT = Variant.asked("captures")


def capturing() -> shards.Task:
    """A task: the trajectories at one snapshot of a proxy run, as .npy files in a folder. All arrays for the first run;
    for the others only those needed for discovery."""
    torch.set_num_threads(1)
    params = load_params(VARIANT)
    probe, names, _ = load_probe(artifacts.PROBE, params.capture.targets)
    unique, subtask = np.unique(names, return_inverse=True)
    engine = load_engine(params)
    rows = EncodedRows(probe, load_processor(params.model), params.model.max_length)

    def capture(key: str, folder: Path) -> None:
        run, number = key.split(".")
        snapshots = [load_snapshots(artifacts.PROXY / params.run / run)[int(number)]]
        if run == "run_0":
            arrays = subtask_trajectories(engine, rows, subtask, len(unique), snapshots)
        else:
            arrays = {"row_gram": row_gram(engine, rows, len(subtask), snapshots)}
        for name, array in arrays.items():
            artifacts.save_array(folder / f"{name}.npy", array)

    return capture


def main(params: Params) -> int:
    runs = [f"run_{k}" for k in range(n_proxy_runs(VARIANT, params.run))]
    probe, subtasks, known = load_probe(artifacts.PROBE, params.capture.targets)
    names, sources = sorted(set(subtasks)), sources_of(probe, subtasks)
    inputs = [params.capture.model_dump(), params.model.model_dump(), artifacts.PROBE, artifacts.PROXY / params.run]
    stage = f"capture_{VARIANT.name}"
    n_snapshots = {run: len(artifacts.read_json(artifacts.PROXY / params.run / run / "snapshots.json")) for run in runs}
    keys = [f"{run}.{number}" for run in runs for number in range(n_snapshots[run])]
    folders = shards.run(capturing, keys, stage, [*inputs, *params.model.sources], "trajectories at snapshots")
    out = artifacts.fresh(artifacts.CAPTURE / VARIANT.name)
    for run in runs:
        parts = {key: folder for key, folder in folders.items() if key.split(".")[0] == run}
        for path in sorted(parts[f"{run}.0"].iterdir()):
            name = f"row_gram_{run}.npy" if path.stem == "row_gram" else path.name
            shards.join(parts, path.name, out / name, n_snapshots[run])
    wide = np.asarray(artifacts.load_array(out / "trajectories.npy"), np.float64)
    artifacts.save_array(out / "gram.npy", np.einsum("msd,mtd->mst", wide, wide))
    artifacts.save_array(out / "row_subtask.npy", np.array([names.index(s) for s in subtasks], np.int32))
    entries = [{"name": name, **known[name], **sources.get(name, {}), "rows": subtasks.count(name)} for name in names]
    artifacts.write_json(out / "subtasks.json", entries)
    shards.forget(stage)
    return len(subtasks) * len(wide) * len(runs)


if __name__ == "__main__":
    run_stage("capture", main, VARIANT)
