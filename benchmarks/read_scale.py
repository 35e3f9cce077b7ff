"""Does the reader scale to LLaVA-665K? Time and memory of reading and checking in `prepare`,
and of loading the result.

    # ten minutes on two cores, 4 GB in the temporary folder
    python benchmarks/read_scale.py --report reports/benchmarks/read_scale.md
    # a quick look that only prints
    python benchmarks/read_scale.py --rows 20000

The pool is the same in every run: a JSON list with 1.5 KB per row, conversations of 1 to 10 rounds, 6% text-only rows,
and 0.57 image files per row, as in LLaVA-665K (665,298 rows, 40,688 of them text-only, about 378,000 images, of which
COCO's serve several rows each). Files are tiny: 512 different JPEG and PNG images with sides of 32 to 64 pixels,
written repeatedly under different names. Every measurement is a separate process that runs only the reader, with
`pool.embed_images: false`.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from commits import measured_at
from PIL import Image

from cadc import artifacts
from cadc.compute import console
from cadc.data.reader import copy_pool
from cadc.report.text import markdown

ROWS, FILES_A_ROW, TEXT_ONLY, TEMPLATES, FOLDER_FILES = 665_298, 0.57, 0.06, 512, 1000
ACCESSES = 2000
WORDS = [
    "a",
    "the",
    "of",
    "picture",
    "shows",
    "what",
    "is",
    "there",
    "man",
    "woman",
    "dog",
    "street",
    "on",
    "in",
    "with",
    "near",
    "left",
    "right",
    "color",
    "describe",
    "briefly",
    "answer",
    "sign",
    "kitchen",
    "train",
]


def pictures(rng: np.random.Generator) -> list[tuple[str, bytes]]:
    made = []
    for i in range(TEMPLATES):
        height, width = rng.integers(32, 65, 2)
        ending, out = ("jpg", "png")[i % 4 == 0], io.BytesIO()
        small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize(
            (int(width), int(height)), Image.Resampling.BICUBIC
        )
        small.save(out, "PNG" if ending == "png" else "JPEG")
        made.append((ending, out.getvalue()))
    return made


def make_pool(folder: Path, n_rows: int) -> int:
    """Write the JSON list `folder/pool.json` and its images to `folder/images`; returns the number of files."""
    rng = np.random.default_rng(665)
    templates, n_files = pictures(rng), max(1, int(n_rows * FILES_A_ROW))
    names = [f"part{i // FOLDER_FILES:04d}/{i:07d}.{templates[i % TEMPLATES][0]}" for i in range(n_files)]
    for i, name in enumerate(names):
        if i % FOLDER_FILES == 0:
            (folder / "images" / name).parent.mkdir(parents=True)
        (folder / "images" / name).write_bytes(templates[i % TEMPLATES][1])
    sentences = [" ".join(rng.choice(WORDS, rng.integers(8, 40))).capitalize() + "." for _ in range(4096)]
    rounds, which, alone = rng.integers(1, 11, n_rows), rng.integers(0, n_files, n_rows), rng.random(n_rows) < TEXT_ONLY
    with (folder / "pool.json").open("w") as out:
        for row in range(n_rows):
            said = [sentences[k] for k in rng.integers(0, len(sentences), 2 * rounds[row])]
            if not alone[row]:
                said[0] = "<image>\n" + said[0]
            turns = [{"from": ("human", "gpt")[k % 2], "value": text} for k, text in enumerate(said)]
            record = {
                "id": f"{row:09d}",
                **({} if alone[row] else {"image": names[which[row]]}),
                "conversations": turns,
            }
            out.write(("[" if row == 0 else ", ") + json.dumps(record))
        out.write("]")
    return n_files


def read(folder: Path) -> dict:
    """What the stage `prepare` does to a pool."""
    n_rows, skipped = copy_pool(folder / "rows.parquet", folder / "pool.json", folder / "images", embed_images=False)
    return {"rows": n_rows, "skipped": len(skipped)}


def load(folder: Path) -> dict:
    """What later stages do: load the table, then look up single rows."""
    started = time.perf_counter()
    table = artifacts.load_pool(folder)
    loaded, rows = time.perf_counter(), np.random.default_rng(0).integers(0, table.num_rows, ACCESSES)
    for row in rows:
        table.slice(int(row), 1).to_pylist()
    return {
        "rows": table.num_rows,
        "load": loaded - started,
        "microseconds": 1e6 * (time.perf_counter() - loaded) / ACCESSES,
        "chunks": max(column.num_chunks for column in table.columns),
        "arrow_gb": pa.total_allocated_bytes() / 2**30,
    }


def one(what: str, folder: Path) -> None:
    started = time.perf_counter()
    made = {"read": read, "load": load}[what](folder)
    own, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    made |= {
        "seconds": time.perf_counter() - started,
        "cpu": own.ru_utime + own.ru_stime + workers.ru_utime + workers.ru_stime,
        "own_gb": own.ru_maxrss / 2**20,
        "worker_gb": workers.ru_maxrss / 2**20,
    }
    print(json.dumps(made))


def in_a_process(what: str, folder: Path, workers: int) -> dict:
    env = os.environ | {"CADC_WORKERS": str(workers)}
    done = subprocess.run(
        [sys.executable, __file__, "--one", what, str(folder)], env=env, stdout=subprocess.PIPE, text=True, check=True
    )
    made = json.loads(done.stdout.splitlines()[-1])
    made["peak_gb"] = made["own_gb"] + (workers * made["worker_gb"] if workers > 1 else 0)
    console.line(f"{what}, {workers} workers: {made}")
    return made


def decode_ms(side: tuple[int, int] = (640, 480), times: int = 100) -> float:
    """CPU milliseconds for decoding one photograph as the reader does."""
    out = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(noise).resize(side, Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    started = time.process_time()
    for _ in range(times):
        Image.open(io.BytesIO(out.getvalue())).load()
    return 1e3 * (time.process_time() - started) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--workers", nargs="+", type=int, default=[2, 1])
    parser.add_argument("--report", type=Path, help="path of the report; without it, tables are only printed")
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        return one(asked.one[0], Path(asked.one[1]))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        n_files = make_pool(folder, asked.rows)
        json_gb = (folder / "pool.json").stat().st_size / 2**30
        console.line(f"{asked.rows} rows, {json_gb:.2f} GB of JSON, {n_files} files")
        reads = {}
        for workers in asked.workers:
            reads[workers] = in_a_process("read", folder, workers)
            with (folder / "rows.parquet").open("rb") as file:
                reads[workers]["digest"] = hashlib.file_digest(file, "blake2b").hexdigest()
        loaded = in_a_process("load", folder, 1)
        same = len({made["digest"] for made in reads.values()}) == 1
    body = [
        [
            str(workers),
            f"{made['seconds']:.0f}",
            f"{made['cpu']:.0f}",
            f"{1e6 * made['cpu'] / asked.rows:.0f}",
            f"{made['own_gb']:.2f}",
            f"{made['worker_gb']:.2f}",
            f"{made['peak_gb']:.2f}",
        ]
        for workers, made in reads.items()
    ]
    command = " ".join(["python", "benchmarks/read_scale.py", *sys.argv[1:]])
    photo = decode_ms()
    text = f"# Reading a pool at scale\n\nMade by `{command}`. {' '.join(__doc__.split(chr(10) * 2)[2].split())}\n\n"
    text += f"{measured_at()}\n\n"
    text += f"{asked.rows:,} rows, {json_gb:.2f} GB of JSON, {n_files:,} files.\n\n## Read, check, write\n\n"
    text += markdown(
        [
            "worker processes",
            "s",
            "CPU s",
            "CPU µs per row",
            "reading process, GB",
            "largest worker, GB",
            "upper bound of all, GB",
        ],
        body,
    )
    text += "\nPeaks are `ru_maxrss` of the reading process and of its largest worker; *upper bound of all* is the "
    text += "first plus the second times the number of workers, which counts shared memory repeatedly. "
    text += "CPU seconds are summed over all processes; seconds depend on what else the machine does. "
    text += f"The table's bytes are {'the same' if same else 'NOT the same'} for each number of processes.\n\n"
    text += f"Images are tiny here. Decoding one of 640 x 480 pixels takes {photo:.1f} CPU ms more: about "
    text += f"{photo * n_files / 6e4:.0f} CPU minutes for this number of files if each is decoded once; each process "
    text += "decodes a file once.\n\n## Load\n\n"
    header = [
        "rows",
        "load_pool, s",
        "peak of the process, GB",
        "table's share, GB",
        "chunks",
        "µs per row look-up",
    ]
    cells = [
        f"{loaded['rows']:,}",
        f"{loaded['load']:.1f}",
        f"{loaded['own_gb']:.2f}",
        f"{loaded['arrow_gb']:.2f}",
        str(loaded["chunks"]),
        f"{loaded['microseconds']:.0f}",
    ]
    text += markdown(header, [cells])
    if asked.report:
        asked.report.parent.mkdir(parents=True, exist_ok=True)
        asked.report.write_text(text)
    console.line(text)


if __name__ == "__main__":
    main()
