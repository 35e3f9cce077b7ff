"""Measure the cost and exactness of per-sample gradients.

`python benchmarks/gradients.py` writes reports/benchmarks/gradients.md.

Speed: everything runs in one process on the same model, rows and batches, in alternating turns, so that a busy machine
slows all alike; the best turn of each implementation counts. Memory: peak of live tensors, without model and batches.
Peers are not dependencies; those that are not installed are skipped:
`.uv/bin/uv pip install bergson opacus traker dattri`.
Needs `dvc repro capture` for the pool, the proxy's snapshots and the rows of the subtask trajectories.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from commits import CURRENT, measured_at
from peers import peers

from cadc import artifacts
from cadc.config.params import Lora, load_params
from cadc.data.probe import load_probe
from cadc.gradients.adamw import Direction
from cadc.gradients.influence import SketchedDirections, row_influence, subtask_trajectories, token_batches
from cadc.gradients.per_sample import PerSampleGradients, answer_loss
from cadc.gradients.sketch import make_sketch
from cadc.model.batches import collate, model_inputs
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_base, load_processor, trainable
from cadc.report.text import markdown
from cadc.training.snapshots import Snapshot, load_snapshots

REPORT, RESULTS = Path("reports/benchmarks/gradients.md"), Path("reports/benchmarks/gradients.json")
Section = tuple[str, list[str], list[list[str]]]  # title, header, rows of a table
LANGUAGE_MODEL = r".*language_model.*_proj"
HEADING = """# Per-sample gradients: cost and exactness

Made by `python benchmarks/gradients.py` on one CPU thread: the mini base, rows of its pool. *x plain*: time relative \
to the plain pass; *peak*: peak memory of tensors on the largest batch, without model and batch; *error*: \
largest error over rows, relative to the naive loop; *dropped*: gradients are computed and discarded; *kept whole*: \
those of a batch are kept.
"""
PLAIN, OURS = "plain LoRA forward + backward", "ours: AdamW + norms + sketch, d=8192"


class Bench:
    """A model of one LoRA rank, its batches, and all implementations that process one."""

    def __init__(self, rank: int, n_rows: int, targets: str = LANGUAGE_MODEL):
        self.params = load_params()
        self.processor = load_processor(self.params.model)
        self.model = add_lora(load_base(self.params.model), Lora(rank=rank, alpha=2 * rank, targets=targets), seed=0)
        self.parameters = trainable(self.model)
        self.device = next(self.model.parameters()).device
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in self.parameters.values():  # with B = 0, half of the gradients would be zero
                parameter += 0.05 * torch.randn(parameter.shape, generator=generator).to(self.device)
        self.rows = EncodedRows(artifacts.load_pool(), self.processor, self.params.model.max_length)
        which = np.random.default_rng(0).choice(len(self.rows), n_rows, replace=False)
        lengths = np.array([len(self.rows[int(i)]["input_ids"]) for i in which])
        pad = self.processor.tokenizer.pad_token_id
        self.batches = [
            collate([self.rows[int(which[i])] for i in at], pad)
            for at in token_batches(lengths, self.params.capture.batch_tokens)
        ]
        self.n_rows, self.n_parameters = n_rows, sum(p.numel() for p in self.parameters.values())

    def snapshot(self) -> Snapshot:
        """A snapshot with moments of plausible size, sufficient for timing at any LoRA rank."""
        generator = torch.Generator().manual_seed(1)
        moments = {
            name: torch.randn(p.shape, generator=generator).to(self.device) * 1e-3
            for name, p in self.parameters.items()
        }
        return Snapshot(100, 1e-3, 0.9, 0.999, 1e-8, {}, moments, {name: m.square() for name, m in moments.items()})

    def ways(self) -> dict[str, Callable[[dict], object]]:
        """Name -> function that processes one collated batch."""
        direction = Direction(self.snapshot(), "adamw", self.device)
        gradients = PerSampleGradients(self.model)

        def plain(batch):
            inputs = model_inputs(batch, self.device)
            labels = inputs.pop("labels")
            answer_loss(self.model(**inputs, use_cache=False).logits, labels).sum().backward()
            self.model.zero_grad(set_to_none=True)

        def raw(batch):
            with gradients:
                return gradients.dense(batch)[0]

        def dropped(batch):
            with gradients:
                gradients(batch, lambda name, rows: None)

        def into(width: int):
            sketch = make_sketch("count", gradients.names, gradients.sizes, width, 0, self.device)

            def run(batch):
                n = len(batch["input_ids"])
                out, squared = sketch.zeros(n), torch.zeros(n, device=self.device)

                def consume(name, rows):
                    squared.add_(torch.linalg.vector_norm(rows, dim=1).square_())
                    sketch.add_direction(name, rows, direction, out)

                with gradients:
                    gradients(batch, consume)

            return run

        return {
            PLAIN: plain,
            "ours: gradients, dropped": dropped,
            "ours: gradients, kept whole": raw,
            "ours: AdamW + norms, kept whole": into(0),
            "ours: AdamW + norms + sketch, d=1024": into(1024),
            OURS: into(8192),
        }

    def run(self, way: Callable[[dict], object], batches: list[dict]) -> float:
        """Seconds that one implementation takes for some batches."""
        start = time.perf_counter()
        for batch in batches:
            way(batch)
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start


def speed(rank: int, n_rows: int, turns: int) -> Section:
    """All implementations at one LoRA rank: rows/s, time relative to plain, peak memory, error.

    An implementation more than four times slower than the plain pass is timed once, on the smallest batch only.
    """
    bench = Bench(rank, n_rows)
    ways = bench.ways() | peers(bench.model)
    if rank > 8:  # a dense projection of so many parameters takes minutes per batch
        ways = {name: way for name, way in ways.items() if "projected" not in name}
    batch, largest = (choose(bench.batches, key=lambda batch: batch["input_ids"].numel()) for choose in (min, max))
    first = {name: min(bench.run(way, [batch]) for _ in range(3)) for name, way in ways.items()}
    slow = [name for name in ways if first[name] > 4 * first[PLAIN]]
    seconds: dict[str, list[float]] = {name: [] for name in ways if name not in slow}
    for _ in range(turns):
        for name, taken in seconds.items():
            taken.append(bench.run(ways[name], bench.batches))
    limit = min(seconds[PLAIN])
    exact = ways["naive loop"](batch) if "naive loop" in ways else None
    body = []
    for name, way in ways.items():
        made = way(batch) if exact is not None and name != PLAIN else None
        error = (
            f"{float(((made - exact).norm(dim=1) / exact.norm(dim=1)).max()):.0e}"
            if isinstance(made, torch.Tensor) and name != "naive loop"
            else ""
        )
        ratio = first[name] / first[PLAIN] if name in slow else min(seconds[name]) / limit
        body.append(
            [
                name,
                f"{n_rows / limit / ratio:.0f}",
                f"{ratio:.2f}",
                f"{live_mb(lambda way=way: way(largest)):.0f}" if name not in slow else "",
                error,
            ]
        )
    batches = f"{n_rows} rows in {len(bench.batches)} batches"
    title = f"{bench.n_parameters:,} LoRA parameters (rank {rank}), {batches}, best of {turns} turns"
    return title, ["", "rows/s", "x plain", "peak MB", "error"], body


def high_water_mb() -> float:
    """This process's peak memory since `forget_high_water`, in MB."""
    return next(
        int(line.split()[1]) / 1024
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )


def forget_high_water() -> float:
    """Reset the peak; returns the memory held now, in MB."""
    Path("/proc/self/clear_refs").write_text("5")
    return high_water_mb()


def live_mb(work: Callable[[], object]) -> float:
    """Peak memory of the tensors that live during `work`, in MB.

    Taken from the allocator's events, which are free of noise, unlike the process's peak.
    """
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        work()
    events = sorted(
        (event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"),
        key=lambda event: event.start_ns(),
    )
    return float(np.cumsum([event.nbytes() for event in events]).max()) / 2**20


def scaling(sizes: tuple[int, ...] = (2000, 8000, 32000)) -> Section:
    """Time and memory of the whole attribution for several numbers of rows and snapshots."""
    params, body = load_params(), []
    pool, processor, snapshots = (
        artifacts.load_pool(),
        load_processor(params.model),
        load_snapshots(artifacts.proxy_run("default")),
    )
    engine = SketchedDirections(
        add_lora(load_base(params.model), params.model.lora, 0), params.capture, processor.tokenizer.pad_token_id
    )
    trajectories = artifacts.load_array(artifacts.CAPTURE / "default" / "trajectories.npy")
    row_influence(
        engine, EncodedRows(pool, processor, params.model.max_length), np.arange(200), snapshots[:1], trajectories[:1]
    )
    for n, m in [*((n, 1) for n in sizes), (sizes[0], len(snapshots))]:
        before, start = forget_high_water(), time.perf_counter()
        for which in np.split(
            np.resize(np.random.default_rng(0).permutation(pool.num_rows), n), n // params.capture.shard_rows
        ):
            row_influence(
                engine, EncodedRows(pool, processor, params.model.max_length), which, snapshots[:m], trajectories[:m]
            )
        taken = time.perf_counter() - start
        body.append([f"{n:,}", str(m), f"{taken:.1f}", f"{n * m / taken:.0f}", f"{high_water_mb() - before:.0f}"])
    header = ["rows", "snapshots", "seconds", "rows * snapshots / s", "peak MB"]
    return "The whole attribution, shard by shard", header, body


def fidelity(n_rows: int = 400, seeds: int = 3) -> Section:
    """Correlation of sketched with exact influence, minimum and mean over sketch seeds, and the mean relative error."""
    params = load_params()
    pool, processor, snapshot = (
        artifacts.load_pool(),
        load_processor(params.model),
        load_snapshots(artifacts.proxy_run("default"))[-1:],
    )
    probe, subtask, _ = load_probe(artifacts.PROBE, params.capture.targets)
    index = np.unique(subtask, return_inverse=True)[1]
    which = np.random.default_rng(1).choice(pool.num_rows, n_rows, replace=False)
    model = add_lora(load_base(params.model), params.model.lora, 0)

    def influence(width: int, seed: int) -> np.ndarray:
        capture = params.capture.model_copy(update={"projection": width, "projection_seed": seed})
        engine = SketchedDirections(model, capture, processor.tokenizer.pad_token_id)
        probe_rows, rows = (EncodedRows(table, processor, params.model.max_length) for table in (probe, pool))
        trajectories = subtask_trajectories(engine, probe_rows, index, index.max() + 1, snapshot)["trajectories"]
        return row_influence(engine, rows, which, snapshot, trajectories)["influence"][0].astype(np.float64)

    exact, body = influence(0, 0), []
    for width in (1024, 8192, 16384):
        made = [influence(width, seed) for seed in range(seeds)]
        within = [np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(one.T, exact.T, strict=True)]) for one in made]
        overall = [np.corrcoef(one.ravel(), exact.ravel())[0, 1] for one in made]
        bias = np.mean([one.sum() / exact.sum() - 1 for one in made])
        figures = [f"{x:.4f}" for x in (min(overall), np.mean(overall), np.mean(within))]
        body.append([str(width), *figures, f"{100 * bias:+.2f}%"])
    title = f"Sketched against exact influence, {n_rows} rows, {seeds} seeds"
    return title, ["d", "lowest r", "mean r", "mean r within a subtask", "bias"], body


SECTIONS: dict[str, Callable[[argparse.Namespace], Section]] = {
    "speed": lambda args: speed(8, args.rows, args.turns),
    "speed_large": lambda args: speed(80, args.rows, args.turns),
    "scaling": lambda args: scaling(),
    "fidelity": lambda args: fidelity(),
}


def report(made: dict[str, list]) -> str:
    """The report on the sections as gradients.json has them: title, header, rows, commit."""
    done = [made[name] for name in SECTIONS if name in made]
    parts = [f"## {title}\n\n{measured_at(commit)}\n\n{markdown(head, body)}" for title, head, body, commit in done]
    return "\n".join([HEADING, *parts])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="run only these; the report keeps the others")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.only or SECTIONS:
        section = SECTIONS[name](args)
        made = (artifacts.read_json(RESULTS) if RESULTS.exists() else {}) | {name: [*section, CURRENT]}
        artifacts.write_json(RESULTS, made)
        REPORT.write_text(report(made))
        print(REPORT.read_text(), flush=True)


if __name__ == "__main__":
    main()
