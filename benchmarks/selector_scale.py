"""Do the selectors scale to LLaVA-665K? Time and memory of each on synthetic arrays,
compared with naive dense code.

    # 50k, 200k and 665k rows: about half an hour on two cores
    python benchmarks/selector_scale.py
    python benchmarks/selector_scale.py --methods coincide less --rows 50000

Every measurement is a separate process. Rows are drawn around centres, one in ten as a near-copy of another. The budget
is 5%; targeted methods have 5,000 target rows of four benchmarks. Arrays are in artifacts/scratch (7 GB at 665k rows)
and memory-mapped, as in the pipeline. They are narrower than those of a large model: per row, hidden states and
score-net features have 256 numbers, activations 4 x 2 x 64, image and text embeddings 128, concepts 512, skills 384,
gradient sketches 1,024 (hidden states of LLaVA-1.5-7B have 4,096). Time and memory grow with these widths. The number
of k-means clusters is the square root of the number of rows (for COINCIDE 10,000 at 665k), fitted on 8 rows per
cluster.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from commits import measured_at
from dense_selectors import DENSE, dense_coincide
from omegaconf import OmegaConf

from cadc import artifacts
from cadc.compose.files import composed
from cadc.compose.rows import base_of
from cadc.compute import console
from cadc.report.text import markdown
from cadc.selectors.loading import load_selector
from cadc.selectors.signal import Signal

REPORT, SCRATCH = Path("reports/benchmarks/selector_scale.md"), artifacts.SCRATCH / "selectors"
WORKERS, DENSE_ROWS, BUDGET = 2, 20_000, 0.05
POINTS = 8  # rows per cluster for fitting k-means
N_SUBTASKS, N_SNAPSHOTS, CENTRES = 162, 3, 2000
N_QUERIES = 5000  # target rows, in four targets
#: Method, or method:view -> (arrays as [axes before the rows, axes after them, dtype], goal in minutes at 665,000
#: rows).
METHODS = {
    "coincide": ({"activations": ((), (4, 2, 64), np.float16)}, 10),
    "semdedup": ({"image": ((), (128,), np.float32), "text": ((), (128,), np.float32)}, 10),
    "d2_pruning": ({"hidden": ((), (256,), np.float32), "margin": ((N_SNAPSHOTS,), (), np.float32)}, 10),
    "self_filter": ({"features": ((), (256,), np.float32), "difficulty": ((), (), np.float32)}, None),
    "self_sup": ({"hidden": ((), (256,), np.float32)}, 2),
    "less": (
        {
            "update_on_mean": ((N_SNAPSHOTS,), (N_SUBTASKS,), np.float32),
            "update_norm": ((N_SNAPSHOTS,), (), np.float32),
        },
        2,
    ),
    "icons": (
        {
            "gradient_on_units": ((N_SNAPSHOTS,), (N_SUBTASKS,), np.float32),
            "gradient_norm": ((N_SNAPSHOTS,), (), np.float32),
        },
        2,
    ),
    "targeted:concept": ({"concept": ((), (512,), np.float32), "skill": ((), (384,), np.float32)}, 3),
    "targeted:skill": ({"concept": ((), (512,), np.float32), "skill": ((), (384,), np.float32)}, 3),
    "targeted:sum": ({"concept": ((), (512,), np.float32), "skill": ((), (384,), np.float32)}, None),
    "targeted:auto": ({"concept": ((), (512,), np.float32), "skill": ((), (384,), np.float32)}, None),
    "tive": ({"gradient": ((), (1024,), np.float16), "kept_norm": ((), (), np.float32)}, 2),
}


def write_array(path: Path, n_rows: int, before: tuple, behind: tuple, dtype) -> None:
    """Write one array [*before, n_rows, *behind]: unit rows around centres, with near-copies.

    Positive numbers if a row has only one number.
    """
    rng = np.random.default_rng([n_rows, *map(ord, path.stem)])
    out = np.lib.format.open_memmap(path, "w+", dtype, (*before, n_rows, *behind))
    width = int(np.prod(behind, dtype=int))
    centres = rng.normal(size=(CENTRES, width)).astype(np.float32)
    for layer in out if before else [out]:
        for start in range(0, n_rows, 8192):
            n = min(8192, n_rows - start)
            if not behind:
                layer[start : start + n] = rng.uniform(0.5, 1.5, n)
                continue
            rows = centres[rng.integers(CENTRES, size=n)] + 0.7 * rng.normal(size=(n, width)).astype(np.float32)
            copies = rng.integers(n, size=n // 10)
            rows[rng.integers(n, size=n // 10)] = rows[copies] + 0.01 * rng.normal(size=(n // 10, width)).astype(
                np.float32
            )
            parts = rows.reshape(n, *behind)
            layer[start : start + n] = parts / np.linalg.norm(parts, axis=-1, keepdims=True)
    out.flush()


def make_signal(method: str, n_rows: int) -> Signal:
    """The method's arrays at `n_rows`, written on first use."""
    folder = SCRATCH / str(n_rows)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for name, spec in METHODS[method][0].items():
        if not (folder / f"{name}.npy").exists():
            write_array(folder / f"{name}.partial.npy", n_rows, *spec)
            (folder / f"{name}.partial.npy").rename(folder / f"{name}.npy")
        arrays[name] = artifacts.load_array(folder / f"{name}.npy")
    subtask = np.arange(N_SUBTASKS)
    arrays |= {
        "mean_norm": np.ones((N_SNAPSHOTS, N_SUBTASKS)),
        "benchmark": (subtask % 10).astype(np.int32),
        "probe_rows": np.full(N_SUBTASKS, 20),
    }
    arrays["rate"] = np.linspace(1, 0.2, N_SNAPSHOTS)
    if "concept" in arrays:
        places = np.random.default_rng(1).integers(n_rows, size=N_QUERIES)
        for name in ("concept", "skill"):  # each near some row of the pool
            near = arrays[name][places] + np.random.default_rng(2).normal(0, 0.02, (N_QUERIES, arrays[name].shape[1]))
            arrays[f"probe_{name}"] = (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)
        arrays["probe_target"] = np.array(["mmt_val/all", "mini_vqa/all", "pope/pope", "llava_in_the_wild/wild"])[
            np.arange(N_QUERIES) % 4
        ]
    return Signal(
        n_rows, np.array([f"task {i}" for i in range(10)])[np.random.default_rng(0).integers(10, size=n_rows)], arrays
    )


def loaded(method: str, n_rows: int):
    """The selector and its default parameters, with the number of clusters scaled to the rows."""
    method, _, view = method.partition(":")
    library = OmegaConf.to_container(composed([], name="library"))
    section = base_of(library, method, {}, "--methods").arm["select"]
    clusters = {"coincide": 10_000 * (n_rows / 665_000) ** 0.5}.get(method, n_rows**0.5)
    scaled = {"clusters": round(clusters), "points_per_cluster": POINTS} | ({"view": view} if view else {})
    is_share = isinstance(section.get("clusters"), float)
    changed = {key: value for key, value in scaled.items() if key in section and not (key == "clusters" and is_share)}
    return load_selector(method, section | changed, "conf/methods.yaml")


def ours(method: str, n_rows: int) -> None:
    """Select 5% once; prints the seconds of `measure` and `select`."""
    signal, n = make_signal(method, n_rows), round(BUDGET * n_rows)
    module, params = loaded(method, n_rows)
    few = {
        name: np.take(array, range(500), array.shape.index(n_rows)) if n_rows in array.shape else array
        for name, array in signal.arrays.items()
    }
    small = loaded(method, 500)[1]
    warm = module.measure(Signal(500, signal.task[:500], few), small)  # numba compiles on first use
    module.select(warm, 20, small, np.random.default_rng(0))
    started = time.perf_counter()
    measured = module.measure(signal, params)
    between = time.perf_counter()
    rows = module.select(measured, n, params, np.random.default_rng(0)).row
    report([between - started, time.perf_counter() - between], len(np.unique(rows)) == n)


def report(seconds: list[float], is_exact: bool) -> None:
    print(
        json.dumps(
            {
                "seconds": seconds,
                "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
                "exact": is_exact,
            }
        )
    )


def dense(method: str, n_rows: int) -> None:
    """The method in its naive form: full matrices, and a search over all rows for every pick."""
    signal, n = make_signal(method, n_rows), round(BUDGET * n_rows)
    started = time.perf_counter()
    chosen = dense_coincide(signal, n, loaded(method, n_rows)[1]) if method == "coincide" else DENSE[method](signal, n)
    report([time.perf_counter() - started], len(set(np.asarray(chosen).tolist())) == n)


def in_a_process(kind: str, method: str, n_rows: int) -> dict | None:
    """The result printed by a measurement; None if it failed or ran out of memory."""
    env = os.environ | {"CADC_WORKERS": str(WORKERS)}
    make_signal(method, n_rows)  # written here, so that only the method's memory is measured
    done = subprocess.run(
        [sys.executable, __file__, "--one", kind, method, str(n_rows)], env=env, capture_output=True, text=True
    )
    if done.returncode:
        console.line(f"{kind} {method}, {n_rows} rows: failed\n{done.stderr[-600:]}")
        return None
    made = json.loads(done.stdout.splitlines()[-1])
    cost = f"{sum(made['seconds']):.1f} s, {made['peak_gb']:.1f} GB"
    console.line(f"{kind} {method}, {n_rows} rows: {cost}, budget exact: {made['exact']}")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--rows", nargs="+", type=int, default=[50_000, 200_000, 665_000])
    parser.add_argument(
        "--report", type=Path, default=REPORT, help="path of the report; use another one if not all methods run"
    )
    parser.add_argument("--one", nargs=3, metavar=("KIND", "METHOD", "ROWS"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        return {"ours": ours, "dense": dense}[asked.one[0]](asked.one[1], int(asked.one[2]))
    made = {(method, n): in_a_process("ours", method, n) for n in [DENSE_ROWS, *asked.rows] for method in asked.methods}
    plain = {
        method: in_a_process("dense", method, DENSE_ROWS) for method in asked.methods if method in ("coincide", *DENSE)
    }
    header = [
        "",
        *(f"{n // 1000}k rows, s" for n in (DENSE_ROWS, *asked.rows)),
        "of which selecting",
        "µs per row",
        "peak, GB",
        "goal, min",
    ]
    body = []
    for method in asked.methods:
        runs = [made[method, n] for n in (DENSE_ROWS, *asked.rows)]
        last, n = runs[-1], asked.rows[-1]
        cells = [f"{sum(run['seconds']):.1f}" if run else "failed" for run in runs]
        said = (
            [f"{last['seconds'][1]:.1f}", f"{1e6 * sum(last['seconds']) / n:.0f}", f"{last['peak_gb']:.1f}"]
            if last
            else ["", "", ""]
        )
        body.append([method, *cells, *said, str(METHODS[method][1] or "")])
    beside = [
        [
            method,
            f"{sum(made[method, DENSE_ROWS]['seconds']):.1f}",
            f"{sum(run['seconds']):.1f}",
            f"{made[method, DENSE_ROWS]['peak_gb']:.1f}",
            f"{run['peak_gb']:.1f}",
        ]
        for method, run in plain.items()
        if run and made[method, DENSE_ROWS]
    ]
    command = " ".join(["python", "benchmarks/selector_scale.py", *sys.argv[1:]])
    text = f"# Selectors at scale\n\nMade by `{command}`. {' '.join(__doc__.split(chr(10) * 2)[2].split())}\n\n"
    text += f"{measured_at()}\n\n"
    text += f"k-means runs on one thread, neighbours on {WORKERS}; *peak* includes memory-mapped arrays. "
    text += "Times exclude numba's compilation, one or two seconds.\n\n"
    text += markdown(header, body)
    if beside:
        text += f"\n## Compared with naive dense code, {DENSE_ROWS // 1000}k rows\n\n"
        text += "Full matrices, and a search over all rows for every pick.\n\n"
        text += markdown(["", "ours, s", "dense, s", "ours, GB", "dense, GB"], beside)
    asked.report.parent.mkdir(parents=True, exist_ok=True)
    asked.report.write_text(text)
    shutil.rmtree(SCRATCH)
    console.line(f"selectors: {asked.report}")


if __name__ == "__main__":
    main()
