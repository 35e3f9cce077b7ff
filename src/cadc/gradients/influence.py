"""Subtask trajectories from probe rows, and the streaming influence of pool rows on them.

Inner products are linear, so no row's gradient is ever stored: each batch's update directions are sketched and
multiplied with the subtask trajectories at once. What is kept, influence[snapshot, row, subtask], the row norms and the
Gram matrix of the trajectories, gives every threshold, partition and budget exactly and in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from peft import PeftModel

from cadc.compute.finite import refuse_not_finite
from cadc.config.params import Capture
from cadc.gradients.adamw import Direction, Update
from cadc.gradients.per_sample import PerSampleGradients
from cadc.gradients.sketch import make_sketch
from cadc.model.batches import collate
from cadc.model.encode import EncodedRows
from cadc.training.snapshots import Snapshot, restore

_FIX = (
    "at the proxy's snapshot after step {step}: look at these rows or leave them out; where they are many, lower "
    "proxy.learning_rate or set model.dtype: float32"
)
_AT_ONCE = 1 << 28  # coordinates of row gradients of which directions are held: a connector has 17 million a row


class SketchedDirections:
    """Rows -> sketched update directions at one snapshot after the other, with the gradients' own norms and losses."""

    def __init__(self, model: PeftModel, capture: Capture, pad_id: int):
        self.model, self.capture, self.pad_id = model, capture, pad_id
        self.device = next(model.parameters()).device
        self.gradients = PerSampleGradients(model)
        self.sketch = make_sketch(
            capture.sketch,
            self.gradients.names,
            self.gradients.sizes,
            capture.projection,
            capture.projection_seed,
            self.device,
        )

    def batches(
        self, rows: EncodedRows, which: np.ndarray, snapshot: Snapshot
    ) -> Iterator[tuple[np.ndarray, torch.Tensor, np.ndarray, np.ndarray]]:
        """Yields (positions in `which`, sketches float32 [B, width], squared gradient norms [B], losses [B])."""
        for at, (sketches,), norms, losses in self.views(rows, which, snapshot, (self.capture.update,)):
            yield at, sketches, norms, losses

    def views(
        self, rows: EncodedRows, which: np.ndarray, snapshot: Snapshot, updates: tuple[Update, ...]
    ) -> Iterator[tuple[np.ndarray, list[torch.Tensor], np.ndarray, np.ndarray]]:
        """`batches` with one sketch of the rows' directions for each of several updates, all from one backward pass.

        Rows are batched by length, as many as `capture.batch_tokens` holds, so that little is padded and memory does
        not grow with the longest row; the positions say which rows they are. A row whose gradient is zero has direction
        zero (ours): AdamW would move it by the momentum that all rows share, and it would look like the purest of all.
        Raises InputError naming rows whose loss, gradient or direction is not finite, or too long for float32 squares.
        """
        restore(self.model, snapshot)
        directions = [Direction(snapshot, update, self.device) for update in updates]
        lengths = np.array([len(rows[int(row)]["input_ids"]) for row in which])
        with self.gradients as gradients:
            for at in token_batches(lengths, self.capture.batch_tokens):
                sketches = [self.sketch.zeros(len(at)) for _ in updates]
                squared = torch.zeros(len(at), device=self.device)

                def consume(name: str, made: torch.Tensor, sketches=sketches, squared=squared) -> None:
                    squared.add_(torch.linalg.vector_norm(made, dim=1).square_(), alpha=snapshot.rate(name))
                    step = max(1, _AT_ONCE // made.shape[1])
                    for some in (slice(start, start + step) for start in range(0, len(made), step)):
                        for direction, out in zip(directions, sketches, strict=True):
                            self.sketch.add_direction(name, made[some], direction, out[some])

                losses = gradients(collate([rows[int(which[i])] for i in at], self.pad_id), consume)
                for sketch in sketches:
                    sketch[squared == 0] = 0
                made = {
                    "loss": losses,
                    "gradient": squared,
                    "update direction": sum(x.square().sum(1) for x in sketches),
                }
                made = {name: values.cpu().numpy() for name, values in made.items()}
                refuse_not_finite(made, 0, rows.ids(which[at]), fix=_FIX.format(step=snapshot.step))
                yield at, sketches, made["gradient"], made["loss"]


def token_batches(lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """Positions in batches of similar length, each at most `budget` tokens with its padding (one row at least)."""
    batches, batch = [], []
    for i in np.argsort(lengths, kind="stable"):
        if batch and lengths[i] * (len(batch) + 1) > budget:
            batches.append(np.array(batch))
            batch = []
        batch.append(i)
    return [*batches, np.array(batch)] if batch else batches


def subtask_trajectories(
    engine: SketchedDirections, rows: EncodedRows, subtask: np.ndarray, n_subtasks: int, snapshots: list[Snapshot]
) -> dict[str, np.ndarray]:
    """What the probe rows of each subtask ask for, subtask int [n]; all float32.

    trajectories [n_snapshots, n_subtasks, width]: their mean sketched update direction (CADC, discovery); row_gram
    [n_snapshots, n, n]: inner products of the rows' own directions; gradients and unit_gradients [n_snapshots,
    n_subtasks, width]: their mean raw gradient, and the mean of their unit gradients (LESS, ICONS), a row without
    gradient adding zero.
    """
    shape = (len(snapshots), n_subtasks, engine.sketch.width)
    means = {name: np.zeros(shape, np.float64) for name in ("trajectories", "gradients", "unit_gradients")}
    products = np.zeros((len(snapshots), len(subtask), len(subtask)), np.float32)
    counts = np.bincount(subtask, minlength=n_subtasks)[:, None]
    for t, snapshot in enumerate(snapshots):
        own, raw = (np.zeros((len(subtask), engine.sketch.width), np.float32) for _ in range(2))
        for at, (updates, gradients), _, _ in engine.views(
            rows, np.arange(len(subtask)), snapshot, (engine.capture.update, "sgd")
        ):
            own[at], raw[at] = updates.cpu().numpy(), gradients.cpu().numpy()
        for name, vectors in {"trajectories": own, "gradients": raw, "unit_gradients": unit(raw)}.items():
            np.add.at(means[name][t], subtask, vectors)
            means[name][t] /= counts
        np.matmul(own, own.T, out=products[t])
    return {name: mean.astype(np.float32) for name, mean in means.items()} | {"row_gram": products}


def row_gram(engine: SketchedDirections, rows: EncodedRows, n: int, snapshots: list[Snapshot]) -> np.ndarray:
    """Inner products of the directions of the first `n` rows, as in `subtask_trajectories`: float32 [n_snapshots, n,
    n]."""
    products = np.zeros((len(snapshots), n, n), np.float32)
    for t, snapshot in enumerate(snapshots):
        own = np.zeros((n, engine.sketch.width), np.float32)
        for at, updates, _, _ in engine.batches(rows, np.arange(n), snapshot):
            own[at] = updates.cpu().numpy()
        np.matmul(own, own.T, out=products[t])
    return products


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows [n, width] at length 1; a zero row stays zero."""
    squares = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)  # float32's end at lengths of 1e-23 and 1e19
    norms = np.sqrt(squares).astype(vectors.dtype)[:, None]
    return vectors / np.where(norms > 0, norms, 1)


def row_influence(
    engine: SketchedDirections,
    rows: EncodedRows,
    which: np.ndarray,
    snapshots: list[Snapshot],
    trajectories: np.ndarray,
) -> dict[str, np.ndarray]:
    """Influence of pool rows `which` on every subtask.

    Returns influence float32 [n_snapshots, n, n_subtasks], the inner products <G_t(z), T_t(s)>; norm float32
    [n_snapshots, n], |G_t(z)| of the sketched direction; self_influence float32 [n_snapshots, n], lr_t |g_t(z)|^2 of
    the raw gradient (CADC, curation), each parameter at its own rate; loss float32 [n_snapshots, n]. With
    `capture.keep_sketches` also sketches float32 [n_snapshots, n, width].
    """
    n, n_subtasks = len(which), trajectories.shape[1]
    out = {"influence": np.zeros((len(snapshots), n, n_subtasks), np.float32)}
    out |= {name: np.zeros((len(snapshots), n), np.float32) for name in ("norm", "self_influence", "loss")}
    if engine.capture.keep_sketches:
        out["sketches"] = np.zeros((len(snapshots), n, engine.sketch.width), np.float32)
    for t, snapshot in enumerate(snapshots):
        targets = torch.tensor(trajectories[t]).to(engine.device)
        for at, sketches, norms, losses in engine.batches(rows, which, snapshot):
            out["influence"][t, at] = (sketches @ targets.T).cpu().numpy()
            out["norm"][t, at] = sketches.norm(dim=1).cpu().numpy()
            out["self_influence"][t, at] = snapshot.lr * norms
            out["loss"][t, at] = losses
            if "sketches" in out:
                out["sketches"][t, at] = sketches.cpu().numpy()
    return out
