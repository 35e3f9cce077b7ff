"""Does influence predict the effect of training? Measured on one base at a time.

`python benchmarks/influence_truth.py --model models/NAME` adds that base's figures to
reports/benchmarks/influence_truth.json and rewrites influence_truth.md from all figures there, so that bases share a
table. A base from an earlier commit needs its own name:
`git archive COMMIT models/mini | tar -x -C artifacts/scratch`, then
`--model artifacts/scratch/models/mini --name NAME`.

Two outcomes are correlated (Spearman) with the summed influence of the rows concerned, over sets of rows, for each
subtask's mean probe loss, and averaged over subtasks:
- linear datamodelling score (LDS; Park et al. 2023, TRAK, section 4): the loss after tuning on random halves of a part
  of the pool;
- leave-group-out: the loss after tuning on that part without one group, all its rows of one of the world's subtasks.

Each base has its own proxy run here. Needs `dvc repro prepare pool`. Everything tuned is kept in artifacts/scratch, so
a killed run resumes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from commits import CURRENT, measured_at

from cadc import artifacts
from cadc.capabilities.attribution import affinity, capability_influence
from cadc.capabilities.truth import Figure, set_influence, truth
from cadc.compute import console, shards
from cadc.config.params import Params, load_params
from cadc.data.probe import load_probe
from cadc.gradients.influence import SketchedDirections, row_influence, subtask_trajectories, token_batches
from cadc.gradients.per_sample import answer_loss
from cadc.model.batches import collate, model_inputs
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_base, load_processor
from cadc.report.text import markdown
from cadc.training.finetune import finetune
from cadc.training.proxy import proxy_run
from cadc.training.snapshots import load_snapshots

REPORT = Path("reports/benchmarks/influence_truth.md")
PASSES, TRAK_WIDTH = 2, 2048
_DAMPING = 0.1  # of TRAK's kernel, relative to its mean eigenvalue
_TRACKSTAR = 0.26  # LDS of TrackStar on a language model, for comparison


def arguments() -> argparse.Namespace:
    """Parse the command line, also in worker processes."""
    parser = argparse.ArgumentParser(description="Does influence predict the effect of training?")
    parser.add_argument("--model", default=load_params().model.path, help="folder of the base")
    parser.add_argument("--name", help="its name in the table (default: its folder's name)")
    parser.add_argument("--halves", type=int, default=100, help="random halves to tune on")
    parser.add_argument("--again", type=int, default=30, help="halves to tune on again, to estimate the noise ceiling")
    parser.add_argument("--rows", type=int, default=4000, help="pool rows from which halves and groups are taken")
    return parser.parse_args()


def params_of(model: str) -> Params:
    """The parameters with another base."""
    params = load_params()
    return params.model_copy(update={"model": params.model.model_copy(update={"path": model, "watched": model})})


class Setting:
    """The part of the pool, the probe rows and their subtasks, loaded once per process."""

    def __init__(self, params: Params, n_rows: int):
        self.params = params
        self.processor, self.pool = load_processor(params.model), artifacts.load_pool()
        self.part = np.sort(np.random.default_rng(0).choice(self.pool.num_rows, n_rows, replace=False))
        probe, names, _ = load_probe(artifacts.PROBE, params.capture.targets)
        self.subtask = np.unique(names, return_inverse=True)[1]
        self.n_subtasks = int(self.subtask.max()) + 1
        self.rows, self.probe = (
            EncodedRows(table, self.processor, params.model.max_length) for table in (self.pool, probe)
        )
        self.pad_id = self.processor.tokenizer.pad_token_id

    def model(self, seed: int = 0):
        return add_lora(load_base(self.params.model), self.params.model.lora, seed)

    def half(self, index: int) -> np.ndarray:
        """Positions in `part` of one random half, int64 [n_rows / 2], in training order."""
        return np.random.default_rng([1, index]).permutation(len(self.part))[: len(self.part) // 2]

    def groups(self) -> dict[str, np.ndarray]:
        """Positions in `part` of the rows of each of the world's subtasks, including captions and plain text."""
        labels = pq.read_table(artifacts.LABELS, columns=["id", "subtask"])
        about = dict(zip(labels["id"].to_pylist(), labels["subtask"].to_pylist(), strict=True))
        own = np.array([about[self.pool["id"][int(row)].as_py()] for row in self.part])
        return {name: np.flatnonzero(own == name) for name in np.unique(own)}

    def probe_losses(self, model) -> np.ndarray:
        """Mean loss over each subtask's probe rows, float64 [S]."""
        lengths = np.array([len(self.probe[i]["input_ids"]) for i in range(len(self.subtask))])
        loss, device = np.zeros(len(lengths)), next(model.parameters()).device
        with torch.no_grad():
            for at in token_batches(lengths, 12000):
                inputs = model_inputs(collate([self.probe[int(i)] for i in at], self.pad_id), device)
                labels = inputs.pop("labels")
                loss[at] = answer_loss(model(**inputs, use_cache=False).logits, labels).cpu().numpy()
        return np.bincount(self.subtask, loss) / np.bincount(self.subtask)


def tunings() -> shards.Task:
    """Shard task: the proxy run, or loss.npy, the probe losses after tuning on one set of rows."""
    torch.set_num_threads(1)
    args = arguments()
    setting = Setting(params_of(args.model), args.rows)
    groups = setting.groups()

    def tune(key: str, folder: Path) -> None:
        kind, _, which = key.partition("_")
        params, seed = setting.params, int(kind == "again")
        if kind == "proxy":
            return proxy_run(folder, setting.pool, setting.processor, params, params.proxy.seeds[0])
        if kind == "without":
            order = np.random.default_rng(2).permutation(len(setting.part))
            order = order[~np.isin(order, groups[which])]
        else:
            order = setting.half(int(which))
        if kind == "again":
            order = np.random.default_rng([3, int(which)]).permutation(order)
        model = setting.model(seed)
        finetune(model, setting.rows, np.tile(setting.part[order], PASSES), params.finetune, params.model)
        artifacts.save_array(folder / "loss.npy", setting.probe_losses(model))

    return tune


def gram_of(trajectories: np.ndarray) -> np.ndarray:
    """Inner products float64 [M, S, S] of trajectories [M, S, width]."""
    wide = trajectories.astype(np.float64)
    return np.einsum("msd,mtd->mst", wide, wide)


def cosines(
    made: dict[str, np.ndarray], trajectories: np.ndarray, weights: np.ndarray, center: bool = False
) -> np.ndarray:
    """Weighted sum over snapshots of the rows' cosines with every subtask's trajectory: float32 [N, S]."""
    every = np.arange(trajectories.shape[1])
    return capability_influence(made["influence"], made["norm"], gram_of(trajectories), weights, every, center)


def attributions(setting: Setting, run: Path) -> dict[str, np.ndarray]:
    """All attribution methods, with the snapshots of proxy run `run`: name -> how much a row lowers a subtask's loss,
    float [n_rows, S], in any unit."""
    params, model, snapshots = setting.params, setting.model(), load_snapshots(run)
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
        if update == "adamw":
            about = affinity(made["influence"], made["norm"], gram_of(targets), np.ones(len(snapshots)))
            out["adamw, affinity (influence_coverage's rule)"] = about
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


def figures_of(setting: Setting, made: dict[str, Path], n_halves: int) -> list[list]:
    """For each attribution method: name, then LDS, centred LDS and the same for groups, with 95% intervals."""

    def outcomes(kind: str) -> np.ndarray:
        return np.stack([artifacts.load_array(at / "loss.npy") for key, at in made.items() if key.startswith(kind)])

    groups, halves = list(setting.groups().values()), [setting.half(index) for index in range(n_halves)]
    lowered, raised, n_rows = -outcomes("half"), outcomes("without"), len(setting.part)
    ways = attributions(setting, made["proxy"]) | {
        "how many rows (a control)": np.ones((n_rows, setting.n_subtasks)),
        "random numbers (a control)": np.random.default_rng(2).normal(size=(n_rows, setting.n_subtasks)),
    }
    out = [
        [name, *truth(set_influence(way, halves), lowered), *truth(set_influence(way, groups), raised)]
        for name, way in ways.items()
    ]
    if any(key.startswith("again") for key in made):
        again = -outcomes("again")
        out.append(
            ["the same halves tuned again (what noise allows)", *truth(again, lowered[: len(again)]), None, None]
        )
    return out


def cell(figure: Figure | None) -> str:
    """A correlation with its 95% interval as a table cell; empty if there is none."""
    return "" if figure is None else f"{figure[0]:z.3f} ({figure[1]:z.3f} to {figure[2]:z.3f})"


def report(bases: list[dict]) -> str:
    """The report on all bases, with each attribution method's bases in adjacent lines."""
    ways = list(dict.fromkeys(line[0] for base in bases for line in base["figures"]))
    body = [
        [way, base["name"], *map(cell, figures)]
        for way in ways
        for base in bases
        for name, *figures in base["figures"]
        if name == way
    ]
    said = "\n".join(
        f"- **{base['name']}**: {base['halves']} halves of {base['rows']:,} rows, {base['groups']} groups, "
        f"{base['subtasks']} subtasks. {measured_at(base['commit'])}"
        for base in bases
    )
    return f"""# Does influence predict the effect of training?

Made by `python benchmarks/influence_truth.py --model models/NAME`, once for each base:

{said}

*LDS*: tune on random halves of a part of the pool, {PASSES} epochs each; Spearman correlation, over the halves and
averaged over subtasks, between a subtask's probe loss and the summed influence. TrackStar (Chang et al. 2024) reaches
{_TRACKSTAR} on a language model. *left out*: tune on that part without one group, the rows of one of the world's
subtasks; the same correlation over the groups. *centred*: both have their mean over subtasks subtracted, so the
correlation shows which subtasks a set of rows helps. In parentheses: 95% bootstrap intervals over halves and groups.
The same halves tuned again, with another order and LoRA initialisation, show the ceiling that noise sets for any
prediction.

""" + markdown(["influence by", "base", "LDS", "LDS, centred", "left out", "left out, centred"], body)


def with_base(known: dict | None, own: dict, made_from: str) -> dict:
    """The figures of all bases, with `own` added or replaced. Only bases with the same `made_from` (pool, probe and
    settings) are comparable; others are dropped."""
    bases = known["bases"] if known else []
    if known and known["made_from"] != made_from:
        console.line(f"dropped, from another pool or other settings: {', '.join(base['name'] for base in bases)}")
        bases = []
    names = [base["name"] for base in bases]
    bases = [own if name == own["name"] else base for name, base in zip(names, bases, strict=True)]
    return {"made_from": made_from, "bases": bases if own["name"] in names else [*bases, own]}


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    params, name = params_of(args.model), args.name or Path(args.model).name
    setting = Setting(params, args.rows)
    groups = setting.groups()
    made_from = [params.proxy.model_dump(), params.finetune.model_dump(), params.capture.model_dump(), PASSES]
    made_from += [params.model.lora.model_dump(), args.rows, artifacts.POOL, artifacts.PROBE, artifacts.LABELS]
    keys = [f"half_{i}" for i in range(args.halves)] + [f"again_{i}" for i in range(min(args.again, args.halves))]
    keys = ["proxy", *keys, *(f"without_{group}" for group in groups)]
    inputs = [*made_from, params.model.model_dump(exclude={"path", "watched"}), *params.model.sources]
    made = shards.run(tunings, keys, f"influence_truth_{name}", inputs, "tune")
    path = REPORT.with_suffix(".json")
    own = {"name": name, "commit": CURRENT, "halves": args.halves, "groups": len(groups), "rows": args.rows}
    own |= {"subtasks": setting.n_subtasks, "figures": figures_of(setting, made, args.halves)}
    known = with_base(artifacts.read_json(path) if path.exists() else None, own, shards.digest(*made_from))
    artifacts.write_json(path, known)
    REPORT.write_text(report(known["bases"]))
    print(REPORT.read_text())


if __name__ == "__main__":
    main()
