"""capture: update trajectories and gradients of the probe set's subtasks at every proxy snapshot, and their Gram matrices."""

import numpy as np
import torch

from cadc import artifacts
from cadc.compute.stage import run_stage
from cadc.config.params import Params
from cadc.data.probe import load_probe
from cadc.gradients.influence import subtask_trajectories
from cadc.gradients.load import load_engine
from cadc.model.encode import EncodedRows
from cadc.model.load import load_processor
from cadc.training.snapshots import load_snapshots


def main(params: Params) -> int:
    torch.set_num_threads(1)
    probe, subtasks, known = load_probe(artifacts.PROBE, params.capture.targets)
    names = sorted(set(subtasks))
    engine, snapshots = load_engine(params), load_snapshots(artifacts.PROXY)
    rows = EncodedRows(probe, load_processor(params.model), params.model.max_length)
    subtask = np.array([names.index(s) for s in subtasks], np.int32)
    arrays = subtask_trajectories(engine, rows, subtask, len(names), snapshots)
    wide = arrays["trajectories"].astype(np.float64)
    artifacts.fresh(artifacts.CAPTURE)
    for name, array in arrays.items():
        artifacts.save_array(artifacts.CAPTURE / f"{name}.npy", array)
    artifacts.save_array(artifacts.CAPTURE / "row_subtask.npy", subtask)
    artifacts.save_array(artifacts.CAPTURE / "gram.npy", np.einsum("msd,mtd->mst", wide, wide))
    artifacts.write_json(
        artifacts.CAPTURE / "subtasks.json",
        [{"name": name, **known[name], "rows": subtasks.count(name)} for name in names],
    )
    return len(subtasks) * len(snapshots)


if __name__ == "__main__":
    run_stage("capture", main)
