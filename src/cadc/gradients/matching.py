"""Match of pool rows with gradients of validation rows, for LESS, ICONS and TIVE in one pass.

CADC compares update directions with update directions (`influence.py`). Here the validation side is the raw gradient:
either the mean gradient of a subtask, or the mean of its rows' unit gradients. The pool side is a row's update
direction (LESS) or its raw gradient (ICONS, TIVE).
"""

from __future__ import annotations

import numpy as np
import torch

from cadc.config.params import Match
from cadc.gradients.influence import SketchedDirections, unit
from cadc.model.encode import EncodedRows
from cadc.training.snapshots import Snapshot


def row_matching(
    engine: SketchedDirections,
    rows: EncodedRows,
    which: np.ndarray,
    snapshots: list[Snapshot],
    targets: dict[str, np.ndarray],
    match: Match,
) -> dict[str, np.ndarray]:
    """Match pool rows `which` with `targets`: the gradients (mean) and unit_gradients (units) of subtask_trajectories.

    Returns, all float32: update_on_mean and update_on_units [n_snapshots, n, n_subtasks], inner products with the rows'
    update directions, and update_norm [n_snapshots, n]; gradient_on_units [n_snapshots, n, n_subtasks], inner products
    with the rows' raw gradients, and gradient_norm [n_snapshots, n]. Also float16 gradient [n, match.keep_width]: each
    row's unit raw gradient at snapshot `match.keep_snapshot`, with its sketch folded to `match.keep_width` entries
    (inner products stay unbiased), and its norm before scaling, kept_norm [n].
    """
    n, n_subtasks = len(which), targets["gradients"].shape[1]
    out: dict[str, np.ndarray] = {
        name: np.zeros((len(snapshots), n, n_subtasks), np.float32)
        for name in ("update_on_mean", "update_on_units", "gradient_on_units")
    }
    out |= {name: np.zeros((len(snapshots), n), np.float32) for name in ("update_norm", "gradient_norm")}
    out |= {"gradient": np.zeros((n, match.keep_width), np.float16), "kept_norm": np.zeros(n, np.float32)}
    on_mean, on_units = (
        [torch.tensor(target).to(engine.device).T for target in targets[name]]
        for name in ("gradients", "unit_gradients")
    )
    for t, at, (updates, gradients), _, _ in engine.views(rows, which, snapshots, (match.update, "sgd")):
        out["update_on_mean"][t, at] = (updates @ on_mean[t]).cpu().numpy()
        out["update_on_units"][t, at] = (updates @ on_units[t]).cpu().numpy()
        out["gradient_on_units"][t, at] = (gradients @ on_units[t]).cpu().numpy()
        out["update_norm"][t, at] = updates.norm(dim=1).cpu().numpy()
        out["gradient_norm"][t, at] = gradients.norm(dim=1).cpu().numpy()
        if t == match.keep_snapshot:
            out["kept_norm"][at] = out["gradient_norm"][t, at]
            out["gradient"][at] = unit(gradients.unflatten(1, (-1, match.keep_width)).sum(1).cpu().numpy())
    return out
