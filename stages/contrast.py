"""contrast NAME: answer losses of every row with and without its image and question, and text-to-image attention."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from cadc import artifacts
from cadc.compute import shards
from cadc.compute.stage import run_stage
from cadc.config.arms import Variant
from cadc.config.budgets import n_selected
from cadc.config.errors import InputError
from cadc.config.params import Params, load_params
from cadc.features.contrast import answer_losses, looks, without_pictures, without_questions
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_base
from cadc.model.pool_shards import measure_pool, pool_shard
from cadc.training.snapshots import Snapshot, load_snapshots, restore

BY_ROW, BY_SNAPSHOT = ("nll_shown", "nll_blind", "ratio", "attended"), ("singular",)
VARIANT = Variant.asked("contrasts")


def reference_rows(params: Params, n_rows: int, snapshots: list[Snapshot]) -> np.ndarray:
    """PreSel's reference rows: the first rows of the proxy's first run, int64 [n]. Raises InputError if the proxy was
    trained on fewer rows at the chosen snapshot."""
    proxy, asked = params.proxy, params.contrast
    n = n_selected(asked.reference, n_rows)
    if not -len(snapshots) <= asked.reference_snapshot < len(snapshots):
        raise InputError(
            f"contrast.reference_snapshot is {asked.reference_snapshot}, but the proxy has {len(snapshots)} snapshots"
        )
    step = snapshots[asked.reference_snapshot].step
    tuned_on = min(step * proxy.batch_size, n_selected(proxy.pool_fraction, n_rows))
    if tuned_on < n:
        raise InputError(
            f"contrast.reference needs {n} rows, but by step {step} the proxy was trained on {tuned_on}; lower it, or "
            "use a later contrast.reference_snapshot"
        )
    return np.random.default_rng(proxy.seeds[0]).permutation(n_rows)[:n]


def shown(pool: pa.Table) -> np.ndarray:
    """Whether each row has an image: bool [n_rows]."""
    return np.asarray(pc.list_value_length(pool["images"])) > 0  # reads no image


def contrasting() -> shards.Task:
    """A task: the arrays of one stretch of pool rows, as .npy files in a folder."""
    torch.set_num_threads(1)
    params = load_params(VARIANT)
    base, snapshots = load_base(params.model), load_snapshots(artifacts.proxy_run(params.run))
    image_token, batch_tokens = base.config.image_token_id, params.capture.batch_tokens
    model, variant = add_lora(base, params.model.lora, seed=0), params.contrast.attention
    reference = reference_rows(params, artifacts.load_pool().num_rows, snapshots)
    tuned = snapshots[params.contrast.reference_snapshot]

    def encoded(table: pa.Table, like: EncodedRows) -> EncodedRows:
        return EncodedRows(table, like.processor, like.max_length, long_rows=like.long_rows)

    def measure(rows: EncodedRows, which: np.ndarray) -> dict[str, np.ndarray]:
        made = looks(model, rows, which, snapshots, image_token, batch_tokens, variant)
        table = rows.table.take(pa.array(which))
        shows = shown(table)
        made["nll_blind"], pictured = made["nll_shown"].copy(), np.flatnonzero(shows)
        blind = encoded(without_pictures(table.take(pa.array(pictured))), rows)
        with model.disable_adapter():
            made["nll_blind"][pictured] = answer_losses(model, blind, np.arange(len(pictured)), batch_tokens)
        restore(model, tuned)
        made["ratio"], own = np.zeros(len(which), np.float32), np.flatnonzero(shows & np.isin(which, reference))
        unasked = encoded(without_questions(table.take(pa.array(own))), rows)
        without = answer_losses(model, unasked, np.arange(len(own)), batch_tokens)
        made["ratio"][own] = answer_losses(model, rows, which[own], batch_tokens) / without
        return made

    return pool_shard(params, measure, BY_ROW)


def main(params: Params) -> int:
    stage, out = f"contrast_{VARIANT.name}", artifacts.CONTRASTS / VARIANT.name
    snapshots = load_snapshots(artifacts.proxy_run(params.run))
    inputs = [params.contrast.model_dump(), params.proxy.model_dump()]
    n_rows = measure_pool(contrasting, stage, "contrasts of pool rows", params, inputs, out, BY_ROW, BY_SNAPSHOT)
    artifacts.save_array(out / "shows.npy", shown(artifacts.load_pool()))
    for view in ("image", "sentence"):
        artifacts.save_array(out / f"{view}.npy", artifacts.load_array(artifacts.EMBEDDINGS / f"{view}.npy"))
    shards.forget(stage)
    return n_rows * (len(snapshots) + 3)


if __name__ == "__main__":
    run_stage("contrast", main, VARIANT)
