"""MMT-Bench's validation split as rows: the probe set on which capabilities are discovered."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cadc.pool.reader import POOL_FEATURES

MMT = "lmms-lab-encoder/MMT-Benchmark"
MMT_LETTER = "Answer the question using a single character from the given options."
_OPTIONS = tuple("ABCDEFGHI")


def mmt_prompt(doc: dict) -> str:
    """The user turn in which lmms-eval's `mmt_val` puts a question, with one `<image>` in front (there it stands inside)."""
    options = "\n".join(f"{letter}: {doc[letter].strip()}" for letter in _OPTIONS if doc.get(letter) and doc[letter].strip())
    return f"<image>\nQuestion: {doc['question'].strip()}\n{options}\n{MMT_LETTER}"


def load_probe(root: Path) -> tuple[pa.Table, list[str], list[str]]:
    """Probe rows as a pool table, with each row's subtask and meta-task.

    Raises FileNotFoundError where `root` holds no validation split, ValueError on an answer that is no option.
    """
    files = sorted((root / MMT).rglob("val-*.parquet"))
    if not files:
        raise FileNotFoundError(f"no MMT-Bench validation split under {root / MMT}; run `dvc repro prepare` or set benchmarks.probe_root")
    rows, subtasks, metas = [], [], []
    for file in files:
        for doc in pq.read_table(file).to_pylist():
            if not doc.get(doc["answer"]):
                raise ValueError(f"{file}, index {doc['index']}: the answer {doc['answer']!r} is none of its options; repair the row")
            turns = [{"role": "user", "text": mmt_prompt(doc)}, {"role": "assistant", "text": doc["answer"]}]
            rows.append({"id": str(doc["index"]), "source": doc["l2-category"], "images": [doc["image"]], "turns": turns})
            subtasks.append(doc["category"])
            metas.append(doc["l2-category"])
    return pa.Table.from_pylist(rows, schema=POOL_FEATURES.arrow_schema), subtasks, metas
