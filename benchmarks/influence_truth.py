"""Does influence tell what training does?

`python benchmarks/influence_truth.py` writes reports/benchmarks/influence_truth.md.

Linear datamodelling score (LDS; Park et al. 2023, TRAK, section 4): tune on random halves of a part of the pool, and
correlate (Spearman, over the halves) each subtask's mean probe loss with what the sum of influences of the rows in the
half predicts.
Needs `dvc repro proxy_train`. Tuned halves are kept in artifacts/scratch, so a killed run goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from scipy.stats import rankdata

from cadc import artifacts
from cadc.capabilities.attribution import capability_influence
from cadc.compute import shards
from cadc.config.params import Params, load_params
from cadc.data.probe import load_probe
from cadc.gradients.influence import SketchedDirections, row_influence, subtask_trajectories, token_batches
from cadc.gradients.per_sample import answer_loss
from cadc.model.batches import collate, model_inputs
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_base, load_processor
from cadc.report.text import markdown
from cadc.training.finetune import finetune
from cadc.training.snapshots import load_snapshots

REPORT = Path("reports/benchmarks/influence_truth.md")
N_ROWS, PASSES, TRAK_WIDTH = 4000, 2, 2048
_DAMPING = 0.1  # of TRAK's kernel, times its mean eigenvalue


class Setting:
    """The part of the pool, the probe rows and their subtasks, loaded once a process."""

    def __init__(self, params: Params):
        self.params = params
        self.processor, pool = load_processor(params.model), artifacts.load_pool()
        self.part = np.sort(np.random.default_rng(0).choice(pool.num_rows, N_ROWS, replace=False))
        probe, names, _ = load_probe(artifacts.PROBE, params.capture.targets)
        self.subtask = np.unique(names, return_inverse=True)[1]
        self.n_subtasks = int(self.subtask.max()) + 1
        self.rows, self.probe = (EncodedRows(table, self.processor, params.model.max_length) for table in (pool, probe))
        self.pad_id = self.processor.tokenizer.pad_token_id

    def model(self):
        return add_lora(load_base(self.params.model), self.params.model.lora, 0)

    def half(self, index: int) -> np.ndarray:
        """Positions in `part` of one random half, int64 [N_ROWS / 2], in training order."""
        return np.random.default_rng([1, index]).permutation(N_ROWS)[: N_ROWS // 2]


def halves() -> shards.Task:
    """Mean loss of every subtask's probe rows, float64 [S], after tuning on one half."""
    torch.set_num_threads(1)
    setting = Setting(load_params())
    lengths = np.array([len(setting.probe[i]["input_ids"]) for i in range(len(setting.subtask))])

    def tune(index: int, folder: Path) -> None:
        model = setting.model()
        order = np.tile(setting.part[setting.half(index)], PASSES)
        finetune(model, setting.rows, order, setting.params.finetune, setting.params.model)
        loss = np.zeros(len(lengths))
        with torch.no_grad():
            for at in token_batches(lengths, 12000):
                inputs = model_inputs(
                    collate([setting.probe[int(i)] for i in at], setting.pad_id), next(model.parameters()).device
                )
                labels = inputs.pop("labels")
                loss[at] = answer_loss(model(**inputs, use_cache=False).logits, labels).cpu().numpy()
        artifacts.save_array(folder / "loss.npy", np.bincount(setting.subtask, loss) / np.bincount(setting.subtask))

    return tune


def cosines(
    made: dict[str, np.ndarray], trajectories: np.ndarray, weights: np.ndarray, center: bool = False
) -> np.ndarray:
    """Weighted sum over snapshots of the rows' cosines with every subtask's trajectory: float32 [N, S]."""
    wide = trajectories.astype(np.float64)
    gram = np.einsum("msd,mtd->mst", wide, wide)
    return capability_influence(
        made["influence"], made["norm"], gram, weights, np.arange(trajectories.shape[1]), center
    )


def attributions(setting: Setting) -> dict[str, np.ndarray]:
    """Every way of attributing: name -> how far a row lowers a subtask's loss, float [N_ROWS, S], in any unit."""
    params, model, snapshots = setting.params, setting.model(), load_snapshots(artifacts.proxy_run("default"))
    rates = np.array([snapshot.lr for snapshot in snapshots])

    def engine(update: str, **more) -> SketchedDirections:
        return SketchedDirections(
            model, params.capture.model_copy(update={"update": update, "keep_sketches": False, **more}), setting.pad_id
        )

    def aims(of: SketchedDirections) -> np.ndarray:
        return subtask_trajectories(of, setting.probe, setting.subtask, setting.n_subtasks, snapshots)["trajectories"]

    last = np.eye(len(snapshots))[-1]
    out = {}
    raw = aims(engine("sgd"))
    for update in ("adamw", "adamw_own", "sgd"):
        of = engine(update)
        targets = raw if update == "sgd" else aims(of)
        made = row_influence(of, setting.rows, setting.part, snapshots, targets)
        out[f"{update}, cosine (CADC's rule)" if update == "adamw" else f"{update}, cosine"] = cosines(
            made, targets, rates
        )
        out[f"{update}, cosine, subtasks centred"] = cosines(made, targets, rates, center=True)
        out[f"{update}, inner product"] = np.tensordot(rates, made["influence"], 1)
        out[f"{update}, cosine, last snapshot"] = cosines(made, targets, last)
        if update != "sgd":
            against = row_influence(of, setting.rows, setting.part, snapshots, raw)
            out[f"{update} against raw probe gradients, inner product"] = np.tensordot(rates, against["influence"], 1)
    less = row_influence(engine("adam_less"), setting.rows, setting.part, snapshots, raw)
    out["LESS (Adam against raw, cosine)"] = cosines(less, raw, rates)
    narrow = engine("sgd", projection=TRAK_WIDTH, keep_sketches=True)
    targets = subtask_trajectories(narrow, setting.probe, setting.subtask, setting.n_subtasks, snapshots[-1:])[
        "trajectories"
    ][0].astype(np.float64)
    sketches = row_influence(narrow, setting.rows, setting.part, snapshots[-1:], targets[None].astype(np.float32))[
        "sketches"
    ][0].astype(np.float64)
    kernel = sketches.T @ sketches
    kernel[np.diag_indices(TRAK_WIDTH)] += _DAMPING * np.trace(kernel) / TRAK_WIDTH
    out["TRAK-style (gradients of the loss, last snapshot)"] = sketches @ np.linalg.solve(kernel, targets.T)
    return out


def lds(predicted: np.ndarray, lowered: np.ndarray) -> float:
    """Mean over subtasks of Spearman's correlation over halves: both float [n_halves, S]."""
    a, b = (rankdata(x, axis=0) for x in (predicted, lowered))
    a, b = a - a.mean(0), b - b.mean(0)
    return float(np.mean((a * b).sum(0) / np.maximum(np.sqrt((a * a).sum(0) * (b * b).sum(0)), 1e-12)))


def scored(
    name: str, attribution: np.ndarray, chosen: list[np.ndarray], lowered: np.ndarray, draws: int = 500
) -> list[str]:
    """One row of the table: LDS with its 95% interval over halves, and that of what sets the subtasks apart."""
    predicted = np.stack([attribution[rows].sum(0) for rows in chosen])
    rng = np.random.default_rng(0)
    cells = [name]
    for less_mean in (False, True):
        pair = [x - x.mean(1, keepdims=True) if less_mean else x for x in (predicted, lowered)]
        low, high = np.percentile(
            [lds(*(x[at] for x in pair)) for at in rng.integers(len(lowered), size=(draws, len(lowered)))], [2.5, 97.5]
        )
        cells += [f"{lds(*pair):.3f}", f"{low:.3f} to {high:.3f}"]
    return cells


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--halves", type=int, default=100)
    args = parser.parse_args()
    torch.set_num_threads(1)
    params = load_params()
    inputs = [
        params.finetune.model_dump(),
        params.model.model_dump(),
        params.capture.targets,
        N_ROWS,
        PASSES,
        artifacts.POOL,
        artifacts.PROBE,
        *params.model.sources,
    ]
    folders = shards.run(halves, list(range(args.halves)), "influence_truth", inputs, "tune on halves")
    lowered = -np.stack([artifacts.load_array(folder / "loss.npy") for folder in folders.values()])
    setting = Setting(params)
    chosen = [setting.half(index) for index in folders]
    body = [scored(name, attribution, chosen, lowered) for name, attribution in attributions(setting).items()]
    body.append(
        scored(
            "random numbers (the control)",
            np.random.default_rng(2).normal(size=(N_ROWS, setting.n_subtasks)),
            chosen,
            lowered,
        )
    )
    text = f"""# Does influence tell the truth?

Made by `python benchmarks/influence_truth.py --halves {args.halves}`: the mini base, tuned on {args.halves} random \
halves of {N_ROWS:,} rows of its pool, {PASSES} passes each. *LDS*: Spearman's
correlation, over the halves and averaged over {setting.n_subtasks} subtasks, of a subtask's probe loss with the sum \
of influences; *apart*: the same after the mean over
subtasks is taken off both, so that what is left says which subtasks a half serves. 95% intervals by bootstrap over \
halves.

"""
    REPORT.write_text(text + markdown(["influence by", "LDS", "95%", "LDS apart", "95%"], body))
    print(REPORT.read_text())


if __name__ == "__main__":
    main()
