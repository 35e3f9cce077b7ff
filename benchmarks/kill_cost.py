"""Measure how much of a killed stage's work the next run keeps.

    # about 20 minutes on two cores, after `make repro`; it leaves the outputs as they were, but deletes the kept parts
    # of interrupted runs (artifacts/scratch)
    python benchmarks/kill_cost.py --report reports/benchmarks/kill_cost.md
    # one stage; only prints
    python benchmarks/kill_cost.py --stages "attribute default"

Each stage first runs whole. Then, for each row, it starts without kept parts, is killed with `kill -9` when a share
of that time has passed, and runs again to its end. *Share kept* compares the CPU seconds of this last run with those
of the whole run. Every run loads libraries and the model again, which counts as not kept.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from commits import measured_at

from cadc import artifacts
from cadc.compute import console
from cadc.report.text import markdown

STAGES = ("embed", "proxy default", "capture default", "attribute default", "finetune full", "score full")
SHARES = (0.5, 0.9)


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)  # of ended children and their descendants
    return used.ru_utime + used.ru_stime


def run(stage: str) -> tuple[float, float]:
    """Run a stage to its end: seconds and CPU seconds."""
    name, *arguments = stage.split()
    started, before = time.perf_counter(), cpu_seconds()
    subprocess.run([sys.executable, f"stages/{name}.py", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started, cpu_seconds() - before


def killed(stage: str, after: float) -> float:
    """Run a stage and kill it with all its workers after `after` seconds; returns the seconds.

    A stage that ends sooner is run again and killed a tenth earlier.
    """
    shutil.rmtree(artifacts.SCRATCH, ignore_errors=True)
    name, *arguments = stage.split()
    command = [sys.executable, f"stages/{name}.py", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    time.sleep(after)
    if process.poll() is not None:
        return killed(stage, 0.9 * after)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return after


def measured(stage: str) -> list[list[str]]:
    """A row for each share of the stage's time at which it is killed."""
    shutil.rmtree(artifacts.SCRATCH, ignore_errors=True)
    seconds, whole = run(stage)
    rows = []
    for share in SHARES:
        after = killed(stage, share * seconds) / seconds
        rest = run(stage)[1]
        cells = [f"{seconds:.0f}", f"{whole:.0f}", f"{after:.0%}", f"{rest:.0f}", f"{max(0, 1 - rest / whole):.0%}"]
        rows.append([stage, *cells])
        console.line("  ".join(rows[-1]))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--stages", nargs="*", default=list(STAGES))
    parser.add_argument("--report", type=Path, help="path of the report; without it, the table is only printed")
    asked = parser.parse_args()
    os.environ.setdefault("CADC_WORKERS", "2")
    body = [row for stage in asked.stages for row in measured(stage)]
    head = ["stage", "s", "CPU s", "killed after", "CPU s of the next run", "share kept"]
    about = " ".join(__doc__.split("\n\n")[2].split())
    command = " ".join(["python", "benchmarks/kill_cost.py", *sys.argv[1:]])
    text = f"# What a kill costs\n\nMade by `{command}`. {about}\n\n{measured_at()}\n\n" + markdown(head, body)
    if asked.report:
        asked.report.parent.mkdir(parents=True, exist_ok=True)
        artifacts.write_text(asked.report, text)
    console.line(text)


if __name__ == "__main__":
    main()
