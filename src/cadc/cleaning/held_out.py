"""Cross-fitting in shards: a fold's adapter is trained on the other folds, then judges the rows of its own fold.

The result is `Evidence`, the artifact crossfit/.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from cadc import artifacts
from cadc.cleaning.cross_fitting import judged, learnt_from, other_rows, training_order
from cadc.cleaning.picture_match import load_matchers, matched, save_matcher, train_matching
from cadc.compute import shards
from cadc.compute.finite import refuse_not_finite
from cadc.config.errors import InputError
from cadc.config.params import Optimizer, Params, load_params
from cadc.features.embeddings import row_encoder
from cadc.model.adapters import load_adapter, save_adapter, start_from
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_base, load_processor, release, trainable
from cadc.training.checkpoint import Checkpoint, checkpoint_beside
from cadc.training.finetune import finetune
from cadc.training.optimizer import in_float32

#: Names of the evidence files per answer token, per row, and per draw of other rows' images.
BY_TOKEN = ("token", "likeliest", "nll", "likeliest_nll", "entropy", "blind_nll")
BY_ROW = ("similarity", "match")
BY_DRAW = ("other", "decoy")
_NO_TOKENS = {name: np.empty(0, np.int32 if name in ("token", "likeliest") else np.float32) for name in BY_TOKEN}
#: fold.npy, keeper.npy, adapters/FOLD and matchers/FOLD_MEMBER, read by all shards.
FOLDS = artifacts.SCRATCH / "crossfit_folds"
_FIX = "check these rows or leave them out; if there are many, lower proxy.learning_rate"


def _folds() -> tuple[np.ndarray, np.ndarray]:
    """The fold of every row (-1 if it does not fit the model) and its keeper: int32, int64 [n_rows]."""
    fold, keeper = (np.asarray(artifacts.load_array(FOLDS / f"{name}.npy")) for name in ("fold", "keeper"))
    return fold, keeper


def _adapter(held_out: int) -> Path:
    return FOLDS / "adapters" / str(held_out)


def _matcher(held_out: int, member: int) -> Path:
    return FOLDS / "matchers" / f"{held_out}_{member}"


def training() -> shards.Task:
    """Shard task: train the adapter that judges one fold on the others, into a folder."""
    torch.set_num_threads(1)
    params = load_params()
    own, model_params = params.crossfit, params.model
    pool, processor, (fold, keeper) = artifacts.load_pool(artifacts.RAW), load_processor(model_params), _folds()
    rows = EncodedRows(pool, processor, model_params.max_length, long_rows=model_params.long_rows)

    def train(held_out: int, folder: Path) -> None:
        release()  # free the previous fold's model
        model, kept = add_lora(load_base(model_params), model_params.lora, own.seed), checkpoint_beside(folder)
        order = training_order(fold, held_out, keeper, own.epochs, own.seed)
        finetune(model, rows, order, params.proxy, model_params, checkpoint=Checkpoint(kept), seed=own.seed)
        save_adapter(model, folder)
        kept.unlink(missing_ok=True)

    return train


def matching() -> shards.Task:
    """Shard task: train one member of an ensemble that matches images to rows, starting from its fold's adapter, into a
    folder; empty if no training row has an image."""
    torch.set_num_threads(1)
    params = load_params()
    own, model_params = params.crossfit, params.model
    pool, processor, (fold, keeper) = artifacts.load_pool(artifacts.RAW), load_processor(model_params), _folds()
    rows = EncodedRows(pool, processor, model_params.max_length, long_rows=model_params.long_rows)
    has_image = pc.list_value_length(pool["images"]).to_numpy() > 0

    def train(key: str, folder: Path) -> None:
        held_out, member = map(int, key.split("_"))
        which = np.flatnonzero(has_image & learnt_from(fold, held_out, keeper))
        if not len(which):
            return
        release()
        model, kept = add_lora(load_base(model_params), model_params.lora, own.seed), checkpoint_beside(folder)
        start_from(model, _adapter(held_out))
        if model_params.gradient_checkpointing:
            model.activation_checkpointing_enable({"use_reentrant": False})
        with in_float32(list(trainable(model).values())):
            head = train_matching(
                model,
                rows,
                which,
                keeper,
                own.matching,
                params.proxy,
                model_params.dtype,
                params.capture.batch_tokens,
                [own.seed, member],
                kept,
            )
        save_matcher(model, head, folder)
        kept.unlink(missing_ok=True)

    return train


def judging() -> shards.Task:
    """Shard task: evidence on one range of pool rows, as .npy files in a folder."""
    torch.set_num_threads(1)
    params = load_params()
    own, model_params, size, batch_tokens = (
        params.crossfit,
        params.model,
        params.capture.shard_rows,
        params.capture.batch_tokens,
    )
    pool, processor, (fold, keeper) = artifacts.load_pool(artifacts.RAW), load_processor(model_params), _folds()
    encoder = row_encoder(model_params, params.embed.tower)
    model, matchers = load_base(model_params), []  # one base model that holds all adapters
    for k in range(own.folds):
        model = load_adapter(model, _adapter(k), f"fold_{k}")
    for k in range(own.folds):
        model, ensemble = load_matchers(model, [_matcher(k, m) for m in range(own.matching.members)], f"matching_{k}")
        matchers.append(ensemble)

    def shard(index: int, folder: Path) -> None:
        which = np.arange(index * size, min((index + 1) * size, pool.num_rows))
        rows = EncodedRows(pool, processor, model_params.max_length, long_rows=model_params.long_rows)  # caches rows
        table, fits = pool.slice(int(which[0]), len(which)), fold[which] >= 0
        has_image = (pc.list_value_length(table["images"]).to_numpy() > 0) & fits
        others = other_rows(which, has_image, keeper[which], own.draws, own.seed)
        tokens = [_NO_TOKENS] * len(which)
        made = {
            "other": others,
            "match": np.full(len(which), np.nan, np.float32),
            "decoy": np.full(others.shape, np.nan, np.float32),
        }
        for k in range(own.folds):
            at = np.flatnonzero(fold[which] == k)
            if not len(at):
                continue
            model.set_adapter(f"fold_{k}")
            found = judged(model, rows, which[at], others[:, at], batch_tokens)
            bounds = np.cumsum(found["n_tokens"])[:-1]
            for name in BY_TOKEN:
                for i, part in zip(at, np.split(found[name], bounds), strict=True):
                    tokens[i] = tokens[i] | {name: part}
            for name, values in matched(model, matchers[k], rows, which[at], others[:, at], batch_tokens).items():
                made[name][..., at] = values
        similarity = np.full(len(which), np.nan, np.float32)
        if fits.any():
            views = encoder(table.filter(pa.array(fits)))
            if "text" not in views:
                raise InputError(
                    f"embed.tower: {params.embed.tower} can't embed text, which cleaning compares with images; use a "
                    "contrastive model, or set cleaning=none"
                )
            similarity[fits] = np.where(has_image[fits], (views["image"] * views["text"]).sum(1), np.nan)
        refuse_not_finite(
            {name: np.array([row[name].sum() for row in tokens]) for name in BY_TOKEN if name != "blind_nll"},
            0,
            rows.ids(which),
            fix=_FIX,
        )
        shown = np.flatnonzero(has_image)  # rows without an image have NaN in image measures
        refuse_not_finite(
            {"blind_nll": np.array([tokens[i]["blind_nll"].sum() for i in shown]), "similarity": similarity[shown]},
            0,
            rows.ids(which[shown]),
            fix=_FIX,
        )
        made |= {name: np.concatenate([row[name] for row in tokens]) for name in BY_TOKEN}
        made |= {"n_tokens": np.array([len(row["nll"]) for row in tokens]), "similarity": similarity}
        for name, values in made.items():
            artifacts.save_array(folder / f"{name}.npy", values)

    return shard


def inputs_of(params: Params) -> list:
    """The inputs of the evidence (parameters, raw pool and models), for `shards.run`."""
    tower = params.embed.tower
    return [
        params.crossfit.model_dump(),
        params.model.model_dump(),
        params.proxy.model_dump(include=set(Optimizer.model_fields)),  # without the proxy run's rows and length
        params.capture.model_dump(include={"batch_tokens", "shard_rows"}),
        params.clean.duplicates.model_dump(),
        artifacts.RAW,
        *params.model.sources,
        params.embed.model_dump(include={"tower"}),
        *([Path(tower)] if tower and Path(tower).is_dir() else []),
    ]


def judge_pool(fold: np.ndarray, keeper: np.ndarray, params: Params) -> dict[Any, Path]:
    """Train every fold's adapter and judge all rows of the raw pool: returns the folders of `judging`, in order.

    fold int32, keeper int64 [n_rows]: the fold of each row, and the row that it copies (or itself). Rows of fold -1 are
    not judged. The folders stay until `forget`.
    """
    inputs, folds = inputs_of(params), list(range(params.crossfit.folds))
    artifacts.save_array(FOLDS / "fold.npy", fold)
    artifacts.save_array(FOLDS / "keeper.npy", keeper)
    adapters = shards.run(training, folds, "crossfit_train", inputs, "train on all folds but one")
    artifacts.fresh(FOLDS / "adapters")
    for k, folder in adapters.items():
        _adapter(k).symlink_to(folder.resolve())
    members = [f"{k}_{m}" for k in folds for m in range(params.crossfit.matching.members)]
    matchers = shards.run(matching, members, "crossfit_match", inputs, "learn to match images to rows")
    artifacts.fresh(FOLDS / "matchers")
    for key, folder in matchers.items():
        (FOLDS / "matchers" / key).symlink_to(folder.resolve())
    keys = list(range(-(-len(fold) // params.capture.shard_rows)))
    return shards.run(judging, keys, "crossfit", inputs, "judge rows with the adapter that never saw them")


def write_evidence(out: Path, folders: dict[Any, Path], fold: np.ndarray) -> None:
    """Join the arrays of all shards into `Evidence`'s files in folder `out`."""
    n_rows = len(fold)
    counts = np.concatenate([artifacts.load_array(folder / "n_tokens.npy") for folder in folders.values()])
    artifacts.save_array(out / "bounds.npy", np.concatenate([[0], np.cumsum(counts)]))
    artifacts.save_array(out / "fold.npy", fold)
    for name in BY_TOKEN:
        shards.join(folders, f"{name}.npy", out / f"{name}.npy", int(counts.sum()))
    for name in BY_ROW:
        shards.join(folders, f"{name}.npy", out / f"{name}.npy", n_rows)
    for name in BY_DRAW:
        shards.join(folders, f"{name}.npy", out / f"{name}.npy", n_rows, axis=1)


def forget() -> None:
    """Delete adapters and shards after the evidence is written."""
    for name in ("crossfit_train", "crossfit_match", "crossfit", FOLDS.name):
        shards.forget(name)
