"""Do capabilities depend on the model or on the run? `python benchmarks/stability.py` writes
reports/benchmarks/stability.md.

Compares proxy runs that differ only in seed (LoRA initialisation, rows, order): the partitions that each rule finds in
their trajectories, and how well these agree (mean pairwise adjusted Rand index); and whether consensus partitions over
several proxy runs agree better. Needs `dvc repro pool`; runs are kept in artifacts/scratch.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from commits import measured_at

from cadc import artifacts
from cadc.capabilities.attribution import snapshot_weights
from cadc.capabilities.graph import capabilities
from cadc.capabilities.stability import Consensus, consensus, drawn_gram, mean_agreement, most_stable
from cadc.compute import shards
from cadc.config.arms import Variant
from cadc.config.params import load_params
from cadc.data.probe import load_probe
from cadc.gradients.influence import subtask_trajectories
from cadc.gradients.load import load_engine
from cadc.model.encode import EncodedRows
from cadc.model.load import load_processor
from cadc.report.text import markdown
from cadc.training.proxy import proxy_run
from cadc.training.snapshots import load_snapshots

REPORT = Path("reports/benchmarks/stability.md")
RULE = Variant("discoveries", "influence_coverage")


def proxies() -> shards.Task:
    """Shard task: a proxy run of one seed (LoRA initialisation, rows and their order), and row_gram.npy.

    The latter is float32 [n_snapshots, n, n]: inner products of the probe rows' directions at its snapshots.
    """
    torch.set_num_threads(1)
    params = load_params()
    pool, processor = artifacts.load_pool(), load_processor(params.model)
    probe, names, _ = load_probe(artifacts.PROBE, params.capture.targets)
    unique, subtask = np.unique(names, return_inverse=True)

    def run(seed: int, folder: Path) -> None:
        proxy_run(folder, pool, processor, params, seed)
        rows, snapshots = EncodedRows(probe, processor, params.model.max_length), load_snapshots(folder)
        made = subtask_trajectories(load_engine(params), rows, subtask, len(unique), snapshots)
        artifacts.save_array(folder / "row_gram.npy", made["row_gram"])

    return run


def over_runs(
    row_grams: list[np.ndarray], consensus_of: Callable[[list[np.ndarray]], list[Consensus]]
) -> list[list[str]]:
    """Compare groups of 1, 2, 3, ... proxy runs; groups of one size are disjoint.

    Each line states how well the selected partitions of groups of one size agree, and the agreement per resolution.
    """
    body = []
    for size in range(1, len(row_grams) // 2 + 1):
        groups = [consensus_of(row_grams[k : k + size]) for k in range(0, len(row_grams) - size + 1, size)]
        chosen = [most_stable(group) for group in groups]
        counts = [one.n_capabilities for one in chosen]
        rows = [
            f"{mean_agreement(np.stack([group[i].partition for group in groups])):.2f}" for i in range(len(groups[0]))
        ]
        body.append(
            [
                str(size),
                str(len(groups)),
                f"{min(counts)} to {max(counts)}",
                f"{mean_agreement(np.stack([one.partition for one in chosen])):.2f}",
                *rows,
            ]
        )
    return body


def members(partition: np.ndarray, targets: list[str]) -> list[Counter]:
    """The number of subtasks of each benchmark in every capability."""
    return [
        Counter(target for target, own in zip(targets, partition, strict=True) if own == c)
        for c in range(int(partition.max()) + 1)
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=6)
    args = parser.parse_args()
    torch.set_num_threads(1)
    params = load_params()
    inputs = [
        params.proxy.model_dump(),
        params.capture.model_dump(),
        params.model.model_dump(),
        artifacts.POOL,
        artifacts.PROBE,
        *params.model.sources,
    ]
    folders = list(shards.run(proxies, list(range(args.seeds)), "stability", inputs, "proxy runs").values())
    _, names, known = load_probe(artifacts.PROBE, params.capture.targets)
    unique, subtask = np.unique(names, return_inverse=True)
    targets, discover = [known[name]["target"] for name in unique], load_params(RULE).discover
    rates = np.array([entry["lr"] for entry in artifacts.read_json(folders[0] / "snapshots.json")])
    row_grams = [artifacts.load_array(folder / "row_gram.npy") for folder in folders]
    grams, body = [drawn_gram(np.asarray(row_gram), subtask, None) for row_gram in row_grams], []
    for rule, center, tau, resolution in product(("equal", "lr"), (True, False), (0.0, 0.1, 0.3), (0.6, 0.8, 1.0, 1.2)):
        made = [
            capabilities(gram, snapshot_weights(rates, rule), center, tau, resolution, 1, discover.seed)
            for gram in grams
        ]
        counts = [int(partition.max()) + 1 for partition in made]
        body.append(
            [
                f"{rule}, {'centred' if center else 'not centred'}",
                f"{tau:g}",
                f"{resolution:g}",
                f"{min(counts)} to {max(counts)}",
                f"{mean_agreement(np.stack(made)):.2f}",
            ]
        )
    consensus_of = partial(
        consensus, subtask=subtask, weights=snapshot_weights(rates, discover.snapshot_weights), discover=discover
    )
    runs = [consensus_of([row_gram]) for row_gram in row_grams]
    chosen = [most_stable(run) for run in runs]
    counts = [one.n_capabilities for one in chosen]
    made_of = [
        [str(seed), *(str(c[target]) for target in sorted(set(targets)))]
        for seed, one in enumerate(chosen)
        for c in members(one.partition, targets)
    ]
    agreed = f"{mean_agreement(np.stack([one.partition for one in chosen])):.2f}"
    resolutions = [f"resolution {one.resolution:g}" for one in runs[0]]
    header = ["proxy runs per group", "groups", "capabilities", "ARI, chosen", *resolutions]
    text = f"""# Do capabilities depend on the model or on the run?

Made by `python benchmarks/stability.py --seeds {args.seeds}`: {args.seeds} proxy runs that differ only in seed. ARI: \
mean pairwise adjusted Rand index of their partitions of
{int(subtask.max()) + 1} subtasks; 1 means identical partitions, 0 chance level.

{measured_at()}

**The consensus over one run** (`{RULE.level}.{RULE.name}` in params.yaml): {min(counts)} to {max(counts)} \
capabilities, ARI over proxy seeds **{agreed}**.
Agreement of the draws within a seed: {", ".join(f"{one.agreement:.2f}" for one in chosen)}.

Subtasks of each benchmark in each capability:

{markdown(["proxy seed", *sorted(set(targets))], made_of)}
Consensus over the draws of several proxy runs, compared with that over as many others (ARI between groups; *chosen*: \
each group takes the resolution at
which its draws agree best). The default is {len(params.proxy.seeds)} runs (`proxy.seeds`):

{markdown(header, over_runs(row_grams, consensus_of))}
A single partition of all probe rows, by rule:

"""
    REPORT.write_text(text + markdown(["snapshots, trajectories", "tau", "resolution", "capabilities", "ARI"], body))
    print(REPORT.read_text())


if __name__ == "__main__":
    main()
