"""Replicas of the proxy run that differ from it in seed alone: what all of them say of the probe rows is the model's, not one run's (ours)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from cadc import artifacts
from cadc.compute import shards
from cadc.compute.launch import team
from cadc.config.params import load_params
from cadc.data.probe import load_probe
from cadc.gradients.influence import subtask_trajectories
from cadc.gradients.load import load_engine
from cadc.model.encode import EncodedRows
from cadc.model.load import load_processor
from cadc.training.proxy import proxy_run
from cadc.training.snapshots import load_snapshots


def replicas() -> shards.Task:
    """A proxy run of one seed (LoRA initialisation, rows and their order) and, as row_gram.npy float32 [n_snapshots, n, n], the inner products of
    the probe rows' directions at its snapshots."""
    torch.set_num_threads(1)
    params = load_params()
    pool, processor = artifacts.load_pool(), load_processor(params.model)
    probe, names, _ = load_probe(artifacts.PROBE, params.capture.targets)
    unique, subtask = np.unique(names, return_inverse=True)

    def run(seed: int, folder: Path) -> None:
        proxy_run(
            folder, pool, processor, params.model_copy(update={"proxy": params.proxy.model_copy(update={"seed": seed})})
        )
        if team()[0] > 0:
            return
        rows, snapshots = EncodedRows(probe, processor, params.model.max_length), load_snapshots(folder)
        artifacts.save_array(
            folder / "row_gram.npy",
            subtask_trajectories(load_engine(params), rows, subtask, len(unique), snapshots)["row_gram"],
        )

    return run
