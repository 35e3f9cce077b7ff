"""Cross-fitting: every row is judged by an adapter trained only on other rows (Chernozhukov et al. 2018; Northcutt et
al. 2021, section 3).

The pool is split into folds. For each fold, an adapter is trained on all others by the proxy's recipe and judges this
one. Copies of a row share its fold, so that the model has not seen them. Copies are not trained on, so that duplicated
noise counts once (ours).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from torch.nn import functional as F

from cadc.config.errors import InputError
from cadc.gradients.influence import token_batches
from cadc.model.batches import collate, model_inputs
from cadc.model.encode import IGNORE, PER_TOKEN, EncodedRows, encode
from cadc.model.stream import ahead, token_lengths

#: A processor's tensors for the layout of image tokens; two images with equally shaped pixels may differ in them.
IMAGE_LAYOUT = {"image_sizes", "image_grid_thw", "pixel_attention_mask"}


def fold_of(keeper: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """The fold of every row: int32 [n], as equal in size as whole groups of copies (keeper int64 [n]) allow.

    Raises InputError if there are fewer groups than folds.
    """
    groups, group, sizes = np.unique(keeper, return_inverse=True, return_counts=True)
    if len(groups) < n_folds:
        raise InputError(f"crossfit.folds={n_folds}, but the pool has only {len(groups)} distinct rows; lower it")
    order = np.random.default_rng(seed).permutation(len(groups))
    begins = np.cumsum(sizes[order]) - sizes[order]
    fold = np.empty(len(groups), np.int32)
    fold[order] = begins * n_folds // len(keeper)
    return fold[group]


def keeper_among(keeper: np.ndarray, fits: np.ndarray) -> np.ndarray:
    """The keepers of copies, int64 [n], if only the rows `fits` bool [n] count: a group whose keeper does not fit is
    kept by its first row that does."""
    out, rows = keeper.copy(), np.flatnonzero(fits & ~fits[keeper])
    _, first, group = np.unique(keeper[rows], return_index=True, return_inverse=True)
    out[rows] = rows[first][group]
    return out


def learnt_from(fold: np.ndarray, held_out: int, keeper: np.ndarray) -> np.ndarray:
    """The rows that may train the adapter which judges `held_out`: bool [n]. They are in other folds and are not
    copies. Rows of fold -1 don't fit the model."""
    return (fold != held_out) & (fold >= 0) & (keeper == np.arange(len(keeper)))


def training_order(fold: np.ndarray, held_out: int, keeper: np.ndarray, epochs: float, seed: int) -> np.ndarray:
    """The training rows of the adapter that judges `held_out`, `epochs` passes in random order: int64."""
    rows = np.flatnonzero(learnt_from(fold, held_out, keeper))
    rows = np.random.default_rng([seed, held_out]).permutation(rows)
    return np.resize(rows, round(epochs * len(rows)))


def other_rows(which: np.ndarray, has_image: np.ndarray, keeper: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """For each of the rows `which` with an image, draw `draws` other rows of `which` whose image replaces its own:
    int64 [draws, len(which)], -1 without an image.

    A row never gets its own image or that of a copy, unless there are no others. has_image bool and keeper int64 are
    those of `which`.
    """
    out, pictured = np.full((draws, len(which)), -1), np.flatnonzero(has_image)
    if not len(pictured):
        return out
    rng, own = np.random.default_rng([seed, int(which[0])]), keeper[pictured]
    for draw in out:
        drawn = rng.choice(pictured, len(pictured))
        while len(np.unique(own)) > 1 and (again := np.flatnonzero(keeper[drawn] == own)).size:
            drawn[again] = rng.choice(pictured, len(again))
        draw[pictured] = which[drawn]
    return out


def with_image_of(rows: EncodedRows, texts: dict[str, Any], pictures: dict[str, Any]) -> dict[str, Any]:
    """The encoded row `texts` of `rows` with the images of the encoded row `pictures`, repeated if these are fewer.

    The result has the same answer tokens as the row with its own images: it may be longer because of a larger image,
    but tokens that `model.long_rows: cut` removes from the row are removed here, too.
    """
    row, other = texts["row"], pictures["row"]
    if (
        "pixel_values" in pictures
        and texts["pixel_values"].shape == pictures["pixel_values"].shape
        and not IMAGE_LAYOUT & pictures.keys()
    ):
        # images of one size have the same number of tokens, so nothing is encoded again
        return {**texts, "pixel_values": pictures["pixel_values"]}
    own, theirs = rows.record(row), rows.table["images"][other].as_py()
    images = [theirs[k % len(theirs)] for k in range(len(own["images"]))]
    whole = encode({**own, "images": images, "row": row}, rows.processor, sys.maxsize)
    if row not in rows.cut:
        return whole
    n_learnt = int((texts["labels"] != IGNORE).sum())
    end = int((whole["labels"] != IGNORE).nonzero()[n_learnt - 1]) + 1
    return {name: value[:end] if name in PER_TOKEN else value for name, value in whole.items()}


def shown(
    rows: EncodedRows, which: np.ndarray, others: np.ndarray, batch_tokens: int
) -> Iterator[tuple[np.ndarray, list[dict[str, Any]], Iterator[list[dict[str, Any]]]]]:
    """Rows `which` int64 [n] in batches of similar length with at most `batch_tokens` tokens. Yields per batch: places
    in `which`; the encoded rows; and for each draw of `others` int64 [draws, n], the rows that have another row there
    (not -1), encoded with its images.

    Rows are encoded ahead of the caller, who must consume a batch's draws before the next batch.
    """
    batches = token_batches(token_lengths(rows, which), batch_tokens)
    swapped = [at[others[0, at] >= 0] for at in batches]
    order = [row for at, places in zip(batches, swapped, strict=True) for row in (*which[at], *others[:, places].flat)]
    stream = ahead(rows, order)
    for at, places in zip(batches, swapped, strict=True):
        own = dict(zip(at.tolist(), islice(stream, len(at)), strict=True))
        draws = ([with_image_of(rows, own[i], next(stream)) for i in places.tolist()] for _ in others)
        yield at, list(own.values()), draws if len(places) else iter(())


def answer_tokens(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The row of every answer token of a batch, int64 [n], and its measures: logits [B, L, V], labels [B, L].

    token and likeliest int32: the token and the most likely one at its position. nll, likeliest_nll and entropy float32
    [n]: -log p of both, and the entropy of the distribution, in nats.
    """
    row, position = torch.nonzero(labels[:, 1:] != IGNORE, as_tuple=True)
    token = labels[row, position + 1]
    log_p = F.log_softmax(logits[row, position].float(), -1)
    best, likeliest = log_p.max(-1)
    own = log_p.gather(1, token[:, None])[:, 0]
    entropy = -(log_p.exp() * log_p).sum(-1)
    return row, {
        "token": token.int(),
        "likeliest": likeliest.int(),
        "nll": -own,
        "likeliest_nll": -best,
        "entropy": entropy,
    }


@torch.inference_mode()
def judged(
    model: PeftModel, rows: EncodedRows, which: np.ndarray, others: np.ndarray, batch_tokens: int
) -> dict[str, np.ndarray]:
    """How `model` predicts the answers of rows `which`: measures of all rows' tokens, concatenated, without special
    tokens.

    n_tokens int64 [len(which)]; `answer_tokens`' arrays [total]; blind_nll float32 [total]: -log of the token's mean
    probability with the images of `others` (int64 [draws, len(which)], -1: none), NaN if a row has no image.
    """
    device, tokenizer = next(model.parameters()).device, rows.processor.tokenizer
    special = torch.tensor(
        sorted(i for i, token in tokenizer.added_tokens_decoder.items() if token.special), device=device
    )

    def forward(encoded: list[dict]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        inputs = model_inputs(collate(encoded, tokenizer.pad_token_id), device)
        labels = inputs.pop("labels")
        labels = torch.where(torch.isin(labels, special), IGNORE, labels)
        row, made = answer_tokens(model(**inputs, use_cache=False).logits, labels)
        return row.cpu().numpy(), {name: values.cpu().numpy() for name, values in made.items()}

    made: list[dict[str, np.ndarray]] = [{}] * len(which)
    for at, encoded, draws in shown(rows, which, others, batch_tokens):
        owner, own = forward(encoded)
        blind = np.full((len(others), len(owner)), np.nan, np.float32)
        pictured = np.isin(owner, np.flatnonzero(others[0, at] >= 0))
        for k, swapped in enumerate(draws):
            blind[k, pictured] = forward(swapped)[1]["nll"]
        own["blind_nll"] = -np.log(np.exp(-blind.astype(np.float64)).mean(0)).astype(np.float32)
        for j, i in enumerate(at):
            made[i] = {name: values[owner == j] for name, values in own.items()}
    out = {name: np.concatenate([own[name] for own in made]) for name in made[0]}
    return out | {"n_tokens": np.array([len(own["nll"]) for own in made])}
