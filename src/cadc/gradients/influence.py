"""Subtask trajectories from probe rows, and streaming influence of pool rows on them.

Inner products are linear, so no row's gradient is stored: each batch's update directions are sketched and multiplied
with the subtask trajectories at once. The stored results (influence[snapshot, row, subtask], row norms and the Gram
matrix of the trajectories) are enough to compute any threshold, partition and budget exactly, in seconds.
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
from cadc.model.encode import EncodedRows
from cadc.model.stream import Batch, stretches, token_lengths
from cadc.training.snapshots import Snapshot, restore

#: Maximum size of one parameter's row gradients. It limits batches of many short rows when a connector is fully trained
#: (17 million weights per row in LLaVA-1.5-7B).
GRADIENT_BYTES = 1 << 30
_FIX = (
    "at the proxy's snapshot after step {step}: check these rows or leave them out; if there are many, lower "
    "proxy.learning_rate or set model.dtype: float32"
)


class SketchedDirections:
    """Computes sketched update directions of rows at each snapshot, with raw gradient norms and losses."""

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
        self, rows: EncodedRows, which: np.ndarray, snapshots: list[Snapshot]
    ) -> Iterator[tuple[int, np.ndarray, torch.Tensor, np.ndarray, np.ndarray]]:
        """Yields (snapshot index, positions in `which`, sketches float32 [B, width], squared gradient norms [B], losses
        [B])."""
        for t, at, (sketches,), norms, losses in self.views(rows, which, snapshots, (self.capture.update,)):
            yield t, at, sketches, norms, losses

    def views(
        self, rows: EncodedRows, which: np.ndarray, snapshots: list[Snapshot], updates: tuple[Update, ...]
    ) -> Iterator[tuple[int, np.ndarray, list[torch.Tensor], np.ndarray, np.ndarray]]:
        """`batches` with one sketch per row for each of several updates, from a single backward pass.

        Rows are batched by length up to `capture.batch_tokens`, so that there is little padding and memory does not
        grow with the longest row; the positions identify the rows. Each row is encoded once: stretches of batches pass
        through one snapshot after the other. A row with a zero gradient gets a zero direction (ours): AdamW would move
        it by the shared momentum, which would look like a perfectly pure row. Raises InputError naming rows whose loss,
        gradient or direction is not finite, or whose squared norm overflows float32.
        """
        for stretch in self.stretches(rows, which):
            for t, snapshot in enumerate(snapshots):
                restore(self.model, snapshot)
                directions = [Direction(snapshot, update, self.device) for update in updates]
                with self.gradients:
                    for at, batch in stretch:
                        sketches, norms, losses = self.sketched(batch, snapshot, directions)
                        squares = sum(x.square().sum(1) for x in sketches)
                        made = {"loss": losses, "gradient": norms, "update direction": squares}
                        made = {name: values.cpu().numpy() for name, values in made.items()}
                        refuse_not_finite(made, 0, rows.ids(which[at]), fix=_FIX.format(step=snapshot.step))
                        yield t, at, sketches, made["gradient"], made["loss"]

    def stretches(self, rows: EncodedRows, which: np.ndarray) -> Iterator[list[tuple[np.ndarray, Batch]]]:
        """Batches of rows `which` with their positions, grouped into stretches; see `views`."""
        most = max(1, GRADIENT_BYTES // (4 * max(self.gradients.sizes)))
        places = token_batches(token_lengths(rows, which), self.capture.batch_tokens, most)
        return stretches(rows, which, places, self.pad_id)

    def sketched(
        self, batch: Batch, snapshot: Snapshot, directions: list[Direction]
    ) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
        """Process one batch with the weights of `snapshot`, inside `self.gradients`. Returns sketches, float32 [B,
        width] for each of `directions`; squared gradient norms, each parameter weighted by its rate; and losses, both
        float32 [B]."""
        n_rows = len(batch["input_ids"])
        sketches, squared = [self.sketch.zeros(n_rows) for _ in directions], torch.zeros(n_rows, device=self.device)

        def consume(name: str, made: torch.Tensor) -> None:
            squared.add_(torch.linalg.vector_norm(made, dim=1).square_(), alpha=snapshot.rate(name))
            for direction, out in zip(directions, sketches, strict=True):
                self.sketch.add_direction(name, made, direction, out)

        losses = self.gradients(batch, consume)
        for sketch in sketches:
            sketch[squared == 0] = 0
        return sketches, squared, losses


def token_batches(lengths: np.ndarray, budget: int, most: int | None = None) -> list[np.ndarray]:
    """Positions in batches of similar length, each with at most `budget` tokens (padding included) and `most` rows, but
    at least one row."""
    batches: list[np.ndarray] = []
    batch: list[np.int64] = []
    for i in np.argsort(lengths, kind="stable"):
        if batch and (lengths[i] * (len(batch) + 1) > budget or len(batch) == most):
            batches.append(np.array(batch))
            batch = []
        batch.append(i)
    return [*batches, np.array(batch)] if batch else batches


def subtask_trajectories(
    engine: SketchedDirections, rows: EncodedRows, subtask: np.ndarray, n_subtasks: int, snapshots: list[Snapshot]
) -> dict[str, np.ndarray]:
    """Mean directions and gradients of each subtask's probe rows, subtask int [n]; all float32.

    trajectories [n_snapshots, n_subtasks, width]: mean sketched update direction (CADC, discovery); row_gram
    [n_snapshots, n, n]: inner products of the rows' directions; gradients and unit_gradients [n_snapshots, n_subtasks,
    width]: mean raw gradient, and mean of the unit gradients (LESS, ICONS); a row with a zero gradient adds zero.
    """
    n, width = len(subtask), engine.sketch.width
    means = {
        name: np.zeros((len(snapshots), n_subtasks, width)) for name in ("trajectories", "gradients", "unit_gradients")
    }
    products = np.zeros((len(snapshots), n, n), np.float32)
    counts = np.bincount(subtask, minlength=n_subtasks)[:, None]
    own, raw = (np.zeros((len(snapshots), n, width), np.float32) for _ in range(2))
    for t, at, (updates, gradients), _, _ in engine.views(
        rows, np.arange(n), snapshots, (engine.capture.update, "sgd")
    ):
        own[t, at], raw[t, at] = updates.cpu().numpy(), gradients.cpu().numpy()
    for t in range(len(snapshots)):
        for name, vectors in {"trajectories": own[t], "gradients": raw[t], "unit_gradients": unit(raw[t])}.items():
            np.add.at(means[name][t], subtask, vectors)
            means[name][t] /= counts
        np.matmul(own[t], own[t].T, out=products[t])
    return {name: mean.astype(np.float32) for name, mean in means.items()} | {"row_gram": products}


def row_gram(engine: SketchedDirections, rows: EncodedRows, n: int, snapshots: list[Snapshot]) -> np.ndarray:
    """Inner products of the directions of the first `n` rows, as in `subtask_trajectories`: float32 [n_snapshots, n,
    n]."""
    products = np.zeros((len(snapshots), n, n), np.float32)
    own = np.zeros((len(snapshots), n, engine.sketch.width), np.float32)
    for t, at, updates, _, _ in engine.batches(rows, np.arange(n), snapshots):
        own[t, at] = updates.cpu().numpy()
    for t in range(len(snapshots)):
        np.matmul(own[t], own[t].T, out=products[t])
    return products


def unit(vectors: np.ndarray) -> np.ndarray:
    """Scale rows [n, width] to length 1; zero rows stay zero."""
    squares = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)  # float32 squares cover 1e-23 to 1e19 only
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
    the raw gradient (CADC, curation), each parameter with its own rate; loss float32 [n_snapshots, n]. With
    `capture.keep_sketches` also sketches float32 [n_snapshots, n, width].
    """
    n, n_subtasks = len(which), trajectories.shape[1]
    out = {"influence": np.zeros((len(snapshots), n, n_subtasks), np.float32)}
    out |= {name: np.zeros((len(snapshots), n), np.float32) for name in ("norm", "self_influence", "loss")}
    if engine.capture.keep_sketches:
        out["sketches"] = np.zeros((len(snapshots), n, engine.sketch.width), np.float32)
    targets = [torch.tensor(trajectory).to(engine.device) for trajectory in trajectories]
    for t, at, sketches, norms, losses in engine.batches(rows, which, snapshots):
        out["influence"][t, at] = (sketches @ targets[t].T).cpu().numpy()
        out["norm"][t, at] = sketches.norm(dim=1).cpu().numpy()
        out["self_influence"][t, at] = snapshots[t].lr * norms
        out["loss"][t, at] = losses
        if "sketches" in out:
            out["sketches"][t, at] = sketches.cpu().numpy()
    return out
