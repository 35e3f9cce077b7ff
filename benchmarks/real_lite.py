"""Tokens per second of profile smollm2-135m by dtype and instruction set: plain passes, per-sample gradients, sketches.

`python benchmarks/real_lite.py`, in a checkout with that profile, writes reports/benchmarks/real_lite.md. It needs the
model's folder and the pool (`make smollm2`, then `dvc repro pool`). The implementations run in one process, in
alternating turns. Times are the process's CPU time, so that other work on the machine counts little; with a GPU,
wall-clock time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from commits import measured_at

from cadc import ISA, artifacts
from cadc.report.text import markdown

REPORT = Path("reports/benchmarks/real_lite.md")
#: dtype and `compute.isa` of each process.
KINDS = (("float32", "avx2"), ("float32", "native"), ("bfloat16", "native"))
GRADIENTS = "ours: gradients, dropped"


def measured(dtype: str, n_rows: int, turns: int) -> dict:
    """Tokens per second of plain passes, and the other implementations' time relative to them; best of `turns`."""
    import gradients
    import torch

    torch.set_num_threads(1)
    params = gradients.load_params()
    model = params.model.model_copy(update={"dtype": dtype})
    gradients.load_params = lambda: params.model_copy(update={"model": model})
    bench = gradients.Bench(model.lora.rank, n_rows, model.lora.targets)
    if bench.device.type == "cpu":
        time.perf_counter = time.process_time
    ways = {name: bench.ways()[name] for name in (gradients.PLAIN, GRADIENTS, gradients.OURS)}
    taken = {name: min(bench.run(way, bench.batches) for _ in range(turns)) for name, way in ways.items()}
    tokens = sum(int(batch["attention_mask"].sum()) for batch in bench.batches)
    plain = taken[gradients.PLAIN]
    return {
        "tokens per second": tokens / plain,
        **{name: seconds / plain for name, seconds in taken.items() if name != gradients.PLAIN},
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=48)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--one", choices=("float32", "bfloat16"), help="measure this dtype in this process, as JSON")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measured(args.one, args.rows, args.turns)))
        return
    free = {name: value for name, value in os.environ.items() if name not in ISA}
    body: list[list[str]] = []
    for dtype, isa in KINDS:
        command = [sys.executable, __file__, "--one", dtype, "--rows", str(args.rows), "--turns", str(args.turns)]
        made = subprocess.run(command, env=free | {"CADC_ISA": isa}, check=True, capture_output=True, text=True)
        speed, *ratios = json.loads(made.stdout.splitlines()[-1]).values()
        body.append([dtype, isa, f"{speed:.0f}", *(f"{ratio:.2f}" for ratio in ratios)])
    header = [
        "model.dtype",
        "compute.isa",
        "tokens per second, plain pass",
        "gradients, x plain",
        "AdamW + sketch, x plain",
    ]
    lines = [
        "# SmolLM2-135M: tokens per second\n",
        f"Made by `python benchmarks/real_lite.py --rows {args.rows} --turns {args.turns}`: forward and backward "
        "passes of the model with LoRA of the profile's rank, on one CPU thread; the best of several turns. "
        "*gradients*: the gradient of every row is computed and discarded. *AdamW + sketch*: every row's AdamW update "
        "direction, its norm and its count sketch of width 8,192. *x plain*: time relative to the plain pass.\n",
        f"{measured_at()}\n",
        markdown(header, body),
    ]
    artifacts.write_text(REPORT, "\n".join(lines))
    print(REPORT.read_text())


if __name__ == "__main__":
    main()
