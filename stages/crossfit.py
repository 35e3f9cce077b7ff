"""crossfit: what adapters that never saw a row make of its answers, with its own image and with others; and how well image and words agree."""

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import torch

from cadc import artifacts
from cadc.cleaning.cross_fitting import fold_of, judged, other_rows, training_order
from cadc.cleaning.picture_match import load_matchers, matched, train_matchers
from cadc.cleaning.pool import pool_copies
from cadc.compute import launch, shards
from cadc.compute.stage import run_stage
from cadc.config.params import Optimizer, Params, load_params
from cadc.features.embeddings import row_encoder
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_adapter, load_base, load_processor, save_adapter
from cadc.training.finetune import finetune

BY_TOKEN = ("token", "likeliest", "nll", "likeliest_nll", "entropy", "blind_nll")
FOLDS = artifacts.SCRATCH / "crossfit_folds"  # fold.npy, keeper.npy


def training() -> shards.Task:
    """The adapter that judges one fold, learnt from the others, as a folder."""
    torch.set_num_threads(1)
    params = load_params()
    pool, processor = artifacts.load_pool(artifacts.RAW), load_processor(params.model)
    fold, keeper = (artifacts.load_array(FOLDS / f"{name}.npy") for name in ("fold", "keeper"))
    rows = EncodedRows(pool, processor, params.model.max_length, long_rows=params.model.long_rows)

    def train(held_out: int, folder: Path) -> None:
        model = add_lora(load_base(params.model), params.model.lora, params.crossfit.seed)
        finetune(
            model,
            rows,
            training_order(fold, held_out, keeper, params.crossfit.epochs, params.crossfit.seed),
            params.proxy,
            params.model,
        )
        save_adapter(model, folder)
        pictured = pc.list_value_length(pool["images"]).to_numpy() > 0
        which = np.flatnonzero(pictured & (fold != held_out) & (keeper == np.arange(len(keeper))))
        if len(which):
            how, to = params.crossfit.matching, folder / "matching"
            train_matchers(
                model,
                rows,
                which,
                keeper,
                how,
                params.proxy,
                params.model,
                params.capture.batch_tokens,
                params.crossfit.seed,
                to,
            )

    return train


def judging() -> shards.Task:
    """The evidence on one stretch of pool rows, as .npy files in a folder."""
    torch.set_num_threads(1)
    params = load_params()
    pool, processor, encoder = (
        artifacts.load_pool(artifacts.RAW),
        load_processor(params.model),
        row_encoder(params.model, params.embed.tower),
    )
    fold, keeper = (np.asarray(artifacts.load_array(FOLDS / f"{name}.npy")) for name in ("fold", "keeper"))
    models = [load_adapter(load_base(params.model), FOLDS / "adapters" / str(k)) for k in range(params.crossfit.folds)]
    matchers = [
        load_matchers(params.model, FOLDS / "adapters" / str(k) / "matching") for k in range(params.crossfit.folds)
    ]
    size = params.capture.shard_rows

    def shard(index: int, folder: Path) -> None:
        which = np.arange(index * size, min((index + 1) * size, pool.num_rows))
        rows = EncodedRows(pool, processor, params.model.max_length, long_rows=params.model.long_rows)
        table = pool.slice(int(which[0]), len(which))
        pictured = pc.list_value_length(table["images"]).to_numpy() > 0
        others = other_rows(which, pictured, keeper[which], params.crossfit.draws, params.crossfit.seed)
        made = [dict[str, np.ndarray]()] * len(which)
        whole = {"match": np.full(len(which), np.nan, np.float32), "decoy": np.full(others.shape, np.nan, np.float32)}
        for k in range(params.crossfit.folds):
            at = np.flatnonzero(fold[which] == k)
            if len(at):
                found = judged(models[k], rows, which[at], others[:, at], params.capture.batch_tokens)
                bounds = np.cumsum(found["n_tokens"])[:-1]
                for name in BY_TOKEN:
                    for i, part in zip(at, np.split(found[name], bounds), strict=True):
                        made[i] = made[i] | {name: part}
                for name, values in matched(
                    matchers[k], rows, which[at], others[:, at], params.capture.batch_tokens
                ).items():
                    whole[name][..., at] = values
        for name in BY_TOKEN:
            artifacts.save_array(folder / f"{name}.npy", np.concatenate([own[name] for own in made]))
        artifacts.save_array(folder / "n_tokens.npy", np.array([len(own["nll"]) for own in made]))
        for name, values in (whole | {"other": others}).items():
            artifacts.save_array(folder / f"{name}.npy", values)
        views = encoder(table)
        artifacts.save_array(
            folder / "similarity.npy",
            np.where(pictured, (views["image"] * views["text"]).sum(1), np.nan).astype(np.float32),
        )

    return shard


def main(params: Params) -> int:
    launch.refuse_ranks("crossfit")
    pool, n_folds = artifacts.load_pool(artifacts.RAW), params.crossfit.folds
    inputs = [
        params.crossfit.model_dump(),
        params.model.model_dump(),
        params.proxy.model_dump(
            include=set(Optimizer.model_fields)
        ),  # not which rows the proxy run takes, and how long
        params.capture.model_dump(include={"batch_tokens", "shard_rows"}),
        params.clean.duplicates.model_dump(),
        artifacts.RAW,
        *params.model.sources,
        params.embed.model_dump(include={"tower"}),
        *([Path(params.embed.tower)] if params.embed.tower and Path(params.embed.tower).is_dir() else []),
    ]
    keeper = pool_copies(params.clean.duplicates, "crossfit_prints").keeper
    fold = fold_of(keeper, n_folds, params.crossfit.seed)
    artifacts.save_array(FOLDS / "fold.npy", fold)
    artifacts.save_array(FOLDS / "keeper.npy", keeper)
    adapters = shards.run(training, list(range(n_folds)), "crossfit_train", inputs, "train on all folds but one")
    artifacts.fresh(FOLDS / "adapters")
    for k, folder in adapters.items():
        (FOLDS / "adapters" / str(k)).symlink_to(folder.resolve())
    keys = list(range(-(-pool.num_rows // params.capture.shard_rows)))
    folders = shards.run(judging, keys, "crossfit", inputs, "judge every row by the adapter that never saw it")
    out = artifacts.fresh(artifacts.CROSSFIT)
    counts = np.concatenate([artifacts.load_array(folder / "n_tokens.npy") for folder in folders.values()])
    artifacts.save_array(out / "bounds.npy", np.concatenate([[0], np.cumsum(counts)]))
    artifacts.save_array(out / "fold.npy", fold)
    for name in BY_TOKEN:
        shards.join(folders, f"{name}.npy", out / f"{name}.npy", int(counts.sum()))
    for name in ("similarity", "match"):
        shards.join(folders, f"{name}.npy", out / f"{name}.npy", pool.num_rows)
    for name in ("other", "decoy"):
        shards.join(folders, f"{name}.npy", out / f"{name}.npy", pool.num_rows, axis=1)
    for name in ("crossfit_prints", "crossfit_train", "crossfit", "crossfit_folds"):
        shards.forget(name)
    return pool.num_rows


if __name__ == "__main__":
    run_stage("crossfit", main)
