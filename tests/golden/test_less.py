"""LESS against its authors' output: princeton-nlp/LESS 8abf962, seeded gradients of 256 parameters at 4 checkpoints."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cadc.gradients.adamw import Direction
from cadc.selectors import less
from cadc.selectors.less import matching_scores
from cadc.selectors.shared.band import rows_in_band
from cadc.selectors.signal import Signal
from cadc.training.snapshots import Snapshot

FOLDER = Path(__file__).parent / "less"
CHECKPOINTS = range(4)


@pytest.fixture(scope="module")
def golden():
    return {**np.load(FOLDER / "inputs.npz"), **np.load(FOLDER / "outputs.npz")}


def directions(golden, t):
    state = Snapshot(
        1,
        1.0,
        0.9,
        0.999,
        1e-8,
        {},
        *({"w": torch.from_numpy(golden[f"{name}_ckpt{t}"])} for name in ("exp_avg", "exp_avg_sq")),
    )
    return Direction(state, "adam_less", torch.device("cpu"))("w", torch.from_numpy(golden[f"train_grads_ckpt{t}"]))


def projected(golden, values):
    """As released: rounded to fp16, then projected on the matrix of signs."""
    return values.half().float() @ torch.from_numpy(golden["projection_matrix"])


def unit(values):
    return values / values.norm(dim=1, keepdim=True)


@pytest.mark.parametrize("t", CHECKPOINTS)
def test_adam_direction(golden, t):
    np.testing.assert_allclose(directions(golden, t).numpy(), golden[f"adam_dir_ckpt{t}"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("t", CHECKPOINTS)
def test_projection(golden, t):
    np.testing.assert_allclose(
        projected(golden, directions(golden, t)).numpy(), golden[f"train_proj_ckpt{t}"], rtol=1e-3, atol=5e-3
    )


@pytest.mark.parametrize("task", ["tydiqa", "bbh"])
def test_influence_and_chosen_rows(golden, task):
    n_subtasks = int(golden["n_subtasks"][golden["tasks"].tolist().index(task)])
    influence, norms = [], []
    for t in CHECKPOINTS:
        rows = projected(golden, directions(golden, t))
        validation = unit(projected(golden, torch.from_numpy(golden[f"val_grads_{task}_ckpt{t}"])))
        means = torch.stack([part.mean(0) for part in validation.chunk(n_subtasks)])
        influence.append((rows @ means.T).numpy())
        norms.append(rows.norm(dim=1).numpy())
    arrays = {
        "update_on_units": np.stack(influence),
        "update_norm": np.stack(norms),
        "mean_norm": np.ones((4, n_subtasks)),
        "rate": golden["checkpoint_lr"],
    }
    released = less.Params(variant="released")
    scores = less.measure(Signal(len(norms[0]), np.array([]), arrays), released)
    np.testing.assert_allclose(scores, golden[f"influence_{task}"], rtol=1e-3, atol=1e-4)
    n = int(float(golden["percentage"]) * len(scores))
    assert rows_in_band(scores, n, "top").tolist() == golden[f"top_indices_{task}"].tolist()
    assert set(less.select(scores, n, released, np.random.default_rng(0)).row) == set(golden[f"top_indices_{task}"])


def test_a_zero_gradient_matches_nothing_and_ties_go_by_row():
    influence = np.array([[[0.0], [2.0], [2.0], [1.0]]])
    scores = matching_scores(influence, np.array([[0.0, 2.0, 2.0, 2.0]]), np.ones((1, 1)), np.array([1.0]))
    assert scores.tolist() == [0.0, 1.0, 1.0, 0.5] and rows_in_band(scores, 2, "top").tolist() == [1, 2]
