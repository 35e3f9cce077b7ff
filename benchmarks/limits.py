"""Do the readers and the selectors stay within fixed memory limits on a pool of LLaVA-665K's size?

    # about an hour on two cores, 15 GB of disk
    python benchmarks/limits.py --report reports/benchmarks/limits.md
    # measure some rows again; the report keeps the others
    python benchmarks/limits.py --report reports/benchmarks/limits.md --what pool.json targeted:sum
    # a quick look that only prints
    python benchmarks/limits.py --rows 20000

Each measurement is a process of its own with a kernel memory limit; one that needs more is killed, and the table says
so. Cached file pages count until the kernel reclaims them, so reading a pool file always reaches the limit. Rows have
no images; their conversations are as in read_scale.py, in each file format that is read. Selectors get arrays as in
selector_scale.py and select 5%. The arrays are narrower than those of a large model: per row, hidden states, means
over attended tokens and score-net features have 256 numbers, activations 4 x 2 x 64, image and text embeddings 128,
sentences and skills 384, concepts 512, gradient sketches 1,024 (hidden states of LLaVA-1.5-7B have 4,096). Peak memory
of methods that hold all rows of a signal grows with its width.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import selector_scale
from commits import CURRENT, measured_at
from read_scale import WORDS
from selector_scale import BUDGET, N_SNAPSHOTS, N_SUBTASKS, loaded, make_signal

from cadc import artifacts
from cadc.compute import console
from cadc.data.reader import copy_pool
from cadc.data.row_order import write_in_order
from cadc.report.text import markdown
from cadc.selectors.loading import METHODS, choose, measure

sys.path.append(str(Path(__file__).parents[1] / "tests/drills"))
from cgroups import MemoryGroup  # the path must be extended first

ROWS, CAPABILITIES = 665_000, 3
HEAD = ["", "s", "peak, GB", "limit, GB", "within limit"]
READERS_GB, SELECTORS_GB = 2.0, 6.0  # limits for 665,000 rows
#: Arrays of the methods that selector_scale.py does not run, in its notation.
_BY_ROW = {"shows": ((), (), bool), "self_influence": ((N_SNAPSHOTS,), (), np.float32)}
_VIEWS = {name: ((), (width,), np.float32) for name, width in (("image", 128), ("text", 128), ("sentence", 384))}
_TOLD = {
    "influence": ((), (CAPABILITIES,), np.float32),
    **{name: ((), (N_SUBTASKS,), np.float32) for name in ("affinity", "purity")},
    "self_influence": _BY_ROW["self_influence"],
}
_MORE = {
    "cadc": {name: _TOLD[name] for name in ("influence", "self_influence")},
    "influence_coverage": _TOLD,
    "clip_score": {name: _VIEWS[name] for name in ("image", "text")},
    "entropy_coverage": {name: _VIEWS[name] for name in ("image", "sentence")},
    "presel": {"shows": _BY_ROW["shows"], "ratio": ((), (), np.float32), "image": _VIEWS["image"]},
    "scalselect": {"shows": _BY_ROW["shows"], "attended": ((), (256,), np.float32)},
    "visnec": {
        "shows": _BY_ROW["shows"],
        "nll_blind": ((), (), np.float32),
        "nll_shown": ((), (), np.float32),
        "sentence": _VIEWS["sentence"],
    },
    "xmas": {"shows": _BY_ROW["shows"], "singular": ((N_SNAPSHOTS,), (5,), np.float32)},
    **{
        method: {name: ((N_SNAPSHOTS,), (), np.float32)}
        for method, name in (("el2n", "el2n"), ("perplexity", "nll"), ("predictive_entropy", "entropy"))
    },
    **{method: {} for method in ("random", "task_budget_random", "length")},
}
selector_scale.METHODS |= {method: (arrays, None) for method, arrays in _MORE.items()}


def write_pools(folder: Path, n_rows: int) -> None:
    """Write the same text rows as a JSON list, as JSON lines and as parquet."""
    rng = np.random.default_rng(665)
    sentences = [" ".join(rng.choice(WORDS, rng.integers(8, 40))).capitalize() + "." for _ in range(4096)]
    rounds, names = rng.integers(1, 11, n_rows), rng.permutation(n_rows)  # ids are not sorted
    turn = pa.struct([("from", pa.string()), ("value", pa.string())])
    schema = pa.schema([("id", pa.string()), ("conversations", pa.list_(turn))])
    with (
        (folder / "pool.json").open("w", encoding="utf-8") as listed,
        (folder / "pool.jsonl").open("w", encoding="utf-8") as lines,
        pq.ParquetWriter(folder / "pool.parquet", schema) as table,
    ):
        for start in range(0, n_rows, 8192):
            records = []
            for row in range(start, min(start + 8192, n_rows)):
                said = [sentences[k] for k in rng.integers(0, len(sentences), 2 * rounds[row])]
                turns = [{"from": ("human", "gpt")[k % 2], "value": text} for k, text in enumerate(said)]
                records.append({"id": f"{names[row]:09d}", "conversations": turns})
            texts = [json.dumps(record) for record in records]
            listed.write(("[" if start == 0 else ", ") + ", ".join(texts))
            lines.write("\n".join(texts) + "\n")
            table.write_table(pa.Table.from_pylist(records, schema=schema))
        listed.write("]")


def read(folder: Path, name: str) -> int:
    """What `prepare` does with a pool; returns the number of rows."""
    copy_pool(folder / "rows.parquet", folder / name, folder, embed_images=False)
    write_in_order(folder / "rows.parquet", folder / "rows.parquet", folder / "order")
    return pq.read_metadata(folder / "rows.parquet").num_rows


def words(folder: Path, _: str) -> int:
    """What `curate` does with a pool for every method; returns the number of rows."""
    from cadc.selectors.loading import _answer_words

    pool = artifacts.load_pool(folder)
    np.array(pool["source"].to_pylist())
    return len(_answer_words(pool))


READERS: dict[str, Callable[[Path, str], int]] = {
    **dict.fromkeys(("pool.json", "pool.jsonl", "pool.parquet"), read),
    "words of answers": words,
}


def select(method: str, n_rows: int) -> int:
    signal, n = make_signal(method, n_rows), round(BUDGET * n_rows)
    signal.arrays["capability"] = np.arange(N_SUBTASKS, dtype=np.int32) % CAPABILITIES
    signal.arrays["weight"] = np.full(N_SUBTASKS, 1 / N_SUBTASKS)
    signal.arrays["words"] = np.random.default_rng(0).integers(1, 99, n_rows)
    selector, settings = loaded(method, n_rows)
    return len(choose(selector, measure(selector, signal, settings), n, settings, 0))


def limited(limit: float, *arguments: str) -> list[str]:
    """Table cells of a measurement with a limit in GB: name, seconds, peak memory in GB, limit, 'yes' or the error."""
    group = MemoryGroup()
    command = group.limited(round(limit * 1024), [sys.executable, __file__, "--one", *arguments])
    started = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds, peak = time.perf_counter() - started, int((group.folder / group.peak).read_text()) / 2**30
    group.close()
    why = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
    cells = [arguments[0], f"{seconds:.0f}", f"{peak:.2f}", f"{limit:g}", "yes" if done.returncode == 0 else why[:100]]
    console.line(" ".join(cells))
    return cells


def kept(report: Path | None, title: str) -> tuple[dict[str, str], list[str]]:
    """The lines of the report's table, by what was measured, and the commits that it names. Raises SystemExit if the
    report has another title."""
    if not report or not report.exists():
        return {}, []
    lines = report.read_text(encoding="utf-8").splitlines()
    if lines[:1] != [title]:
        raise SystemExit(f"{report}: is about another number of rows; give another --report")
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in lines if re.match(r"\| \S", line)}
    measured = "".join(line for line in lines if line.startswith("Measured at commit"))
    return rows, re.findall(r"\b[0-9a-f]{8}\b", measured)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    known = [*READERS, *selector_scale.METHODS]
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--what", nargs="*", default=known, choices=known, help="readers and methods to measure")
    parser.add_argument("--report", type=Path, help="path of the report; without it, rows are only printed")
    parser.add_argument("--one", nargs=3, metavar=("WHAT", "FOLDER", "ROWS"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        what, folder, n_rows = asked.one
        made = READERS[what](Path(folder), what) if what in READERS else select(what, int(n_rows))
        if made != (int(n_rows) if what in READERS else round(BUDGET * int(n_rows))):
            raise SystemExit(f"{what}: gave {made} rows")
        return
    title = f"# Memory at {asked.rows:,} rows"
    about = " ".join(__doc__.split("\n\n")[2].split())
    lacking = sorted(set(METHODS) - {method.partition(":")[0] for method in selector_scale.METHODS})
    size = ["--rows", str(asked.rows)] if asked.rows != ROWS else []
    command = " ".join(["python", "benchmarks/limits.py", *size, "--report", str(asked.report)])
    about = f"Made by `{command}`. {about} Not measured: {', '.join(lacking)}."
    rows, earlier = kept(asked.report, title)
    old = set(rows)

    def measured(limit: float, *arguments: str) -> None:
        head, rule, row = markdown(HEAD, [limited(limit, *arguments)]).splitlines()
        rows[arguments[0]] = row
        old.discard(arguments[0])
        line = measured_at(*(earlier if old else ()), CURRENT)
        table = "\n".join([head, rule, *(rows[what] for what in known if what in rows)])
        if asked.report:  # after each row: a killed run resumes with --what
            asked.report.parent.mkdir(parents=True, exist_ok=True)
            artifacts.write_text(asked.report, f"{title}\n\n{about}\n\n{line}\n\n{table}\n")

    if readers := [what for what in asked.what if what in READERS]:
        with tempfile.TemporaryDirectory() as temporary:
            write_pools(Path(temporary), asked.rows)
            if readers == ["words of answers"]:  # it needs the pool that another reader writes
                read(Path(temporary), "pool.parquet")
            for what in readers:
                measured(READERS_GB, what, temporary, str(asked.rows))
    for method in (what for what in asked.what if what not in READERS):
        make_signal(method, asked.rows)  # written here, so that only the method's memory is measured
        measured(SELECTORS_GB, method, "-", str(asked.rows))
        shutil.rmtree(selector_scale.SCRATCH)


if __name__ == "__main__":
    main()
