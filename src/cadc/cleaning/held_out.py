"""Cross-fitting in shards: a fold's adapter learns from the other folds, then judges the rows of its own.

What they make of the pool is `Evidence`, the artifact crossfit/.
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
from cadc.model.encode import EncodedRows
from cadc.model.load import (
    add_lora,
    load_adapter,
    load_base,
    load_processor,
    release,
    save_adapter,
    start_from,
    trainable,
)
from cadc.training.checkpoint import Checkpoint, checkpoint_beside
from cadc.training.finetune import finetune
from cadc.training.optimizer import in_float32

#: What there is of each answer token, of each row, and of each draw of other rows' images, by the name of its file.
BY_TOKEN = ("token", "likeliest", "nll", "likeliest_nll", "entropy", "blind_nll")
BY_ROW = ("similarity", "match")
BY_DRAW = ("other", "decoy")
_NO_TOKENS = {name: np.empty(0, np.int32 if name in ("token", "likeliest") else np.float32) for name in BY_TOKEN}
#: fold.npy, keeper.npy, adapters/FOLD and matchers/FOLD_MEMBER, which all shards read.
FOLDS = artifacts.SCRATCH / "crossfit_folds"
_FIX = "look at these rows or leave them out; where they are many, lower proxy.learning_rate"


def _folds() -> tuple[np.ndarray, np.ndarray]:
    """The fold of every row, -1 where it does not fit the model, and its keeper: int32, int64 [n_rows]."""
    fold, keeper = (np.asarray(artifacts.load_array(FOLDS / f"{name}.npy")) for name in ("fold", "keeper"))
    return fold, keeper


def _adapter(held_out: int) -> Path:
    return FOLDS / "adapters" / str(held_out)


def _matcher(held_out: int, member: int) -> Path:
    return FOLDS / "matchers" / f"{held_out}_{member}"


def training() -> shards.Task:
    """The adapter that judges one fold, learnt from the others, as a folder."""
    torch.set_num_threads(1)
    params = load_params()
    own, model_params = params.crossfit, params.model
    pool, processor, (fold, keeper) = artifacts.load_pool(artifacts.RAW), load_processor(model_params), _folds()
    rows = EncodedRows(pool, processor, model_params.max_length, long_rows=model_params.long_rows)

    def train(held_out: int, folder: Path) -> None:
        release()  # what the fold before was trained on
        model, kept = add_lora(load_base(model_params), model_params.lora, own.seed), checkpoint_beside(folder)
        order = training_order(fold, held_out, keeper, own.epochs, own.seed)
        finetune(model, rows, order, params.proxy, model_params, checkpoint=Checkpoint(kept), seed=own.seed)
        save_adapter(model, folder)
        kept.unlink(missing_ok=True)

    return train


def matching() -> shards.Task:
    """One member of the ensemble that tells pictures apart, learnt from where the adapter of its fold ended, as a
    folder; empty where no row has an image to learn from."""
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
    """The evidence on one stretch of pool rows, as .npy files in a folder."""
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
    model, matchers = load_base(model_params), []  # one base, and all adapters in it
    for k in range(own.folds):
        model = load_adapter(model, _adapter(k), f"fold_{k}")
    for k in range(own.folds):
        model, ensemble = load_matchers(model, [_matcher(k, m) for m in range(own.matching.members)], f"matching_{k}")
        matchers.append(ensemble)

    def shard(index: int, folder: Path) -> None:
        which = np.arange(index * size, min((index + 1) * size, pool.num_rows))
        rows = EncodedRows(pool, processor, model_params.max_length, long_rows=model_params.long_rows)  # keeps these
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
                    f"embed.tower: {params.embed.tower} reads no texts, which cleaning compares with pictures; take a "
                    "contrastive model, or set cleaning=none"
                )
            similarity[fits] = np.where(has_image[fits], (views["image"] * views["text"]).sum(1), np.nan)
        refuse_not_finite(
            {name: np.array([row[name].sum() for row in tokens]) for name in BY_TOKEN if name != "blind_nll"},
            0,
            rows.ids(which),
            fix=_FIX,
        )
        shown = np.flatnonzero(has_image)  # the others have NaN where a picture is judged
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
    """What the evidence is made from: parameters, the raw pool and models, for `shards.run`."""
    tower = params.embed.tower
    return [
        params.crossfit.model_dump(),
        params.model.model_dump(),
        params.proxy.model_dump(include=set(Optimizer.model_fields)),  # not what rows the proxy run takes, how long
        params.capture.model_dump(include={"batch_tokens", "shard_rows"}),
        params.clean.duplicates.model_dump(),
        artifacts.RAW,
        *params.model.sources,
        params.embed.model_dump(include={"tower"}),
        *([Path(tower)] if tower and Path(tower).is_dir() else []),
    ]


def judge_pool(fold: np.ndarray, keeper: np.ndarray, params: Params) -> dict[Any, Path]:
    """Train every fold's adapter and judge all rows of the raw pool: the folders of `judging`, stretch by stretch.

    fold int32, keeper int64 [n_rows]: the fold of each row, and the row that it copies or itself. Rows of no fold (-1)
    are not judged. The folders stay until `forget`.
    """
    inputs, folds = inputs_of(params), list(range(params.crossfit.folds))
    artifacts.save_array(FOLDS / "fold.npy", fold)
    artifacts.save_array(FOLDS / "keeper.npy", keeper)
    adapters = shards.run(training, folds, "crossfit_train", inputs, "train on all folds but one")
    artifacts.fresh(FOLDS / "adapters")
    for k, folder in adapters.items():
        _adapter(k).symlink_to(folder.resolve())
    members = [f"{k}_{m}" for k in folds for m in range(params.crossfit.matching.members)]
    matchers = shards.run(matching, members, "crossfit_match", inputs, "learn which pictures belong")
    artifacts.fresh(FOLDS / "matchers")
    for key, folder in matchers.items():
        (FOLDS / "matchers" / key).symlink_to(folder.resolve())
    keys = list(range(-(-len(fold) // params.capture.shard_rows)))
    return shards.run(judging, keys, "crossfit", inputs, "judge every row by the adapter that never saw it")


def write_evidence(out: Path, folders: dict[Any, Path], fold: np.ndarray) -> None:
    """The arrays of `Evidence` in folder `out`, from those of all shards."""
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
    """Drop adapters and shards, once the evidence is written."""
    for name in ("crossfit_train", "crossfit_match", "crossfit", FOLDS.name):
        shards.forget(name)
