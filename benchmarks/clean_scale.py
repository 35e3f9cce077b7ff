"""Does cleaning scale to LLaVA-665K? Time and memory of the model-free checks on text rows,
compared with datasketch's LSH.

    python benchmarks/clean_scale.py                       # 50k, 200k and 665k rows: some minutes on two cores
    python benchmarks/clean_scale.py --rows 50000

Every measurement runs `stages/clean.py` in its own folder and process, with clean.evidence: raw. Rows have one to five
exchanges with words drawn by Zipf's law; answers are short (three in five) or have about 60 words. One row in ten
copies another, exactly or with one word in forty changed. datasketch gets the same shingles, permutations and
threshold.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from commits import measured_at

from cadc import artifacts
from cadc.cleaning.duplicates import text_prints
from cadc.compute import console
from cadc.config.params import load_params
from cadc.data.reader import POOL_FEATURES
from cadc.report.text import markdown

REPORT, SCRATCH, ROOT = (
    Path("reports/benchmarks/clean_scale.md"),
    artifacts.SCRATCH / "clean_scale",
    Path(__file__).parents[1],
)
WORKERS, PEER_ROWS, WORDS, GOAL = 2, 20_000, 30_000, "10 min, 6 GB"


def draw(n_rows: int, rng: np.random.Generator) -> list[list[str]]:
    """The turns of `n_rows` rows; the last tenth are copies of others."""
    vocabulary = np.array(
        [
            f"{a}{b}{c}"
            for a in "bdfgklmnprst"
            for b in ("a", "e", "i", "o", "u", "ai", "ou")
            for c in range(WORDS // 84 + 1)
        ]
    )[:WORDS]
    p = 1.0 / np.arange(1, WORDS + 1)
    cumulative = np.cumsum(p / p.sum())

    def words(n: int) -> str:
        return " ".join(vocabulary[np.minimum(np.searchsorted(cumulative, rng.random(n)), WORDS - 1)])

    rows = []
    for _ in range(n_rows - n_rows // 10):
        turns = []
        for _ in range(int(rng.integers(1, 6))):
            turns += [
                words(int(rng.integers(5, 15))) + " ?",
                words(int(rng.integers(1, 4)) if rng.random() < 0.6 else int(rng.integers(30, 90))) + ".",
            ]
        rows.append(turns)
    for _ in range(n_rows // 10):
        turns = rows[int(rng.integers(len(rows)))]
        if rng.random() < 0.5:
            turns = [
                " ".join(words(1) if len(turn.split()) > 20 and rng.random() < 0.025 else word for word in turn.split())
                for turn in turns
            ]
        rows.append(turns)
    return rows


def write_pool(folder: Path, n_rows: int) -> None:
    rng = np.random.default_rng(n_rows)
    schema = POOL_FEATURES.arrow_schema
    with pq.ParquetWriter(folder / "rows.parquet", schema) as writer:
        rows = draw(n_rows, rng)
        for start in range(0, n_rows, 20_000):
            part = [
                {
                    "id": f"{i:07d}",
                    "source": "text",
                    "images": [],
                    "turns": [{"role": ("user", "assistant")[k % 2], "text": t} for k, t in enumerate(rows[i])],
                }
                for i in range(start, min(start + 20_000, n_rows))
            ]
            writer.write_table(pa.Table.from_pylist(part, schema=schema))
    artifacts.write_json(folder / "skipped.json", [])


def measured(n_rows: int) -> dict:
    """Seconds, peak memory and number of rows flagged by each check."""
    folder = SCRATCH / str(n_rows)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / artifacts.RAW).mkdir(parents=True)
    write_pool(folder / artifacts.RAW, n_rows)
    pq.write_table(
        pa.table(
            {
                name: pa.array([], pa.string())
                for name in ("id", "subtask", "meta_task", "form", "noise", "duplicate_of")
            }
        ),
        folder / artifacts.LABELS,
    )
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["clean"]["evidence"] = "raw"
    params["clean"]["objects"]["lists"] = "objects.jsonl"
    (folder / "objects.jsonl").touch()  # empty, because there are no images
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    watch = (
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:]); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(done.returncode)"
    )
    env = os.environ | {
        "CADC_WORKERS": str(WORKERS),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]),
    }
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", watch, sys.executable, str(ROOT / "stages/clean.py")],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
    )
    peak = 0.0
    while process.poll() is None:  # the stage and its workers together, with shared pages counted once
        peak = max(peak, resident(process.pid))
        time.sleep(0.2)
    if process.returncode:
        raise RuntimeError(f"{n_rows} rows: {process.stdout.read().decode()[-500:]}")
    seconds = time.perf_counter() - started
    cost = json.loads((folder / artifacts.COSTS / "clean.json").read_text())
    findings = pq.read_table(folder / artifacts.CLEANING / "findings.parquet", columns=["check", "flag"]).to_pandas()
    flagged = findings.groupby("check", sort=False)["flag"].sum().to_dict()
    console.line(f"{n_rows} rows: {seconds:.0f} s, {cost['cpu_seconds']:.0f} CPU s, {peak:.2f} GB, {flagged}")
    shutil.rmtree(folder)
    return {"seconds": seconds, "cpu": cost["cpu_seconds"], "gb": peak, "flagged": flagged}


def resident(pid: int) -> float:
    """Memory of a process and its descendants in gigabytes (proportional set size)."""
    total, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        try:
            waiting += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text().split()
            total += int(rollup[rollup.index("Pss:") + 1])
        except (OSError, ValueError):
            continue  # the process has just ended
    return total / 1e6


def beside_datasketch(n_rows: int) -> list[list[str]]:
    """Time the signatures of all exchanges in one process: ours, datasketch's, and datasketch's LSH index."""
    from datasketch import MinHash, MinHashLSH

    settings = load_params(path=ROOT / "params.yaml").clean.duplicates
    rows = draw(n_rows, np.random.default_rng(0))
    turns = [[{"role": ("user", "assistant")[k % 2], "text": t} for k, t in enumerate(row)] for row in rows]
    started = time.process_time()
    n_exchanges = len(
        text_prints(turns, settings.shingle, settings.permutations, settings.short, settings.seed)["signature"]
    )
    ours = time.process_time() - started
    started, sketches = time.process_time(), []
    for row in rows:
        for k in range(0, len(row), 2):
            words = ["", "", *f"{row[k]} {row[k + 1]}".lower().split(), "", ""]
            sketch = MinHash(settings.permutations)
            sketch.update_batch([" ".join(words[i : i + 3]).encode() for i in range(len(words) - 2)])
            sketches.append(sketch)
    theirs = time.process_time() - started
    started, index = time.process_time(), MinHashLSH(settings.jaccard, settings.permutations)
    for i, sketch in enumerate(sketches):
        index.insert(i, sketch)
    inserting = time.process_time() - started
    scale = 665_000 / n_rows / 60
    return [
        [what, f"{n_exchanges}", f"{s:.1f}", f"{s * scale:.1f}"]
        for what, s in (
            ("signatures, ours", ours),
            ("signatures, datasketch", theirs),
            ("LSH index, datasketch", inserting),
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", nargs="+", type=int, default=[50_000, 200_000, 665_000])
    parser.add_argument("--report", type=Path, default=REPORT, help="path of the report")
    asked = parser.parse_args()
    made = {n: measured(n) for n in asked.rows}
    body = [
        [f"{n}", f"{run['seconds']:.0f}", f"{run['cpu']:.0f}", f"{run['gb']:.1f}", *map(str, run["flagged"].values())]
        for n, run in made.items()
    ]
    names = list(next(iter(made.values()))["flagged"])
    text = (
        "# Cleaning at scale\n\nMade by `"
        + " ".join(["python", "benchmarks/clean_scale.py", *sys.argv[1:]])
        + "`. "
        + " ".join(__doc__.split("\n\n")[2].split())
    )
    text += f"\n\n{measured_at()}\n\n"
    text += f"Goal for 665,000 rows on {WORKERS} cores: {GOAL}. Memory is that of the stage and its workers together; "
    text += "the columns on the right count flagged rows by check.\n\n"
    text += markdown(["rows", "s", "CPU s", "peak, GB", *names], body)
    text += f"\n## MinHash compared with datasketch, {PEER_ROWS // 1000}k rows, one process\n\n"
    text += markdown(["", "exchanges", "CPU s", "min at 665k rows"], beside_datasketch(PEER_ROWS))
    asked.report.parent.mkdir(parents=True, exist_ok=True)
    asked.report.write_text(text)
    console.line(f"clean: {asked.report}")


if __name__ == "__main__":
    main()
