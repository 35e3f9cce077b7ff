"""The rows that are aimed at: probe splits of benchmarks, and files of rows.

A benchmark without some of its questions would be another one: a cell that can't be used is refused, no row left out.

ROOT/ORG/NAME/              benchmarks in the hub's layout
ROOT/targets/NAME.parquet   what `prepare` chose to aim at of a target: a pool table with subtask and meta_task.
                            The embedded world's benchmarks are read as they lie
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cadc.artifacts import whole
from cadc.config.errors import InputError
from cadc.config.targets import target_name
from cadc.data.fields import given
from cadc.data.hub_layout import OPTIONS, split_files
from cadc.data.ids import id_of
from cadc.data.reader import POOL_FEATURES
from cadc.data.reasons import PoolError, check_text, fail, is_blank, shown
from cadc.data.tables import rows_of
from cadc.data.wording import IMAGE_TOKEN, MMT_LETTER, SHORT_ANSWER, question_alone

MMT, POPE, MINI_VQA = "lmms-lab-encoder/MMT-Benchmark", "lmms-lab-encoder/POPE", "cadc/mini-vqa"
LLAVA_W = "lmms-lab-encoder/llava-bench-in-the-wild"

_ASKED = ("question", "answer", "category")  # columns of texts, in most benchmarks

Probe = tuple[dict, str, str]  # a row {id, source, images, turns}, its subtask and meta-task
Found = tuple[str, dict]  # where a document stands, and the document
_SCHEMA = POOL_FEATURES.arrow_schema.append(pa.field("subtask", pa.string())).append(pa.field("meta_task", pa.string()))
_ROWS = 256  # read or written at a time: they hold pictures


def probe_row(name: str, question: str, answer: str, images: list[dict], subtask: str, meta: str) -> Probe:
    """A question that is aimed at, of whose text `<image>` is no part: its pictures are shown in front."""
    turns = [
        {"role": "user", "text": f"{IMAGE_TOKEN * len(images)}\n{question}" if images else question},
        {"role": "assistant", "text": answer},
    ]
    return {"id": name, "source": meta, "images": images, "turns": turns}, subtask, meta


def mmt_prompt(doc: dict) -> str:
    """The text that lmms-eval's `mmt_val` makes of a question, its `<image>` (behind `Question:`) apart."""
    options = "\n".join(
        f"{letter}: {doc[letter].strip()}" for letter in OPTIONS if doc.get(letter) and doc[letter].strip()
    )
    return f"Question: \n{doc['question'].strip()}\n{options}\n{MMT_LETTER}"


def _short(doc: dict) -> str:
    """The text of an open or yes/no question, as POPE's and mini_vqa's tasks put it."""
    return f"{doc['question'].strip()}\n{SHORT_ANSWER}"


def _one(name: str, question: str, doc: dict, subtask: str, meta: str) -> Probe:
    return probe_row(name, question_alone(question), doc["answer"], [doc["image"]], subtask, meta)


def _docs(folder: Path, split: str, key: str, texts: tuple[str, ...], config: str | None = None) -> Iterator[Found]:
    """The documents of a split, with file, row and `key`. They have a picture, and `texts` that can be seen.

    Raises InputError where files, columns or cells are missing.
    """
    files = split_files(folder, config, split)
    if not files:
        raise InputError(
            f"no {split}-*.parquet under {folder}; run `dvc repro prepare`, set data.probe, or shorten capture.targets"
        )
    for file in files:
        for number, doc in enumerate(rows_of(file, partial(_all_columns, file, (key, *texts, "image")))):
            where = f"{file}, row {number}, {key} {doc[key]}"
            with _named(where):
                _check_doc(doc, key, texts)
            yield where, doc


def _all_columns(file: Path, needed: tuple[str, ...], schema: pa.Schema) -> list[str]:
    if missing := [name for name in needed if name not in schema.names]:
        raise PoolError(f"{file}: no column {', '.join(missing)}; fetch the data set again")
    return schema.names


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Faults with the document they are of, and the fix that all of them have."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}; repair the row, or fetch the data set again") from None


def _check_doc(doc: dict, key: str, texts: tuple[str, ...]) -> None:
    id_of(doc[key], key)
    for name in texts:
        text = doc[name]
        if not isinstance(text, str) or is_blank(text) or not (given(text) or "answer" in name):  # it may be `none`
            fail(f"{name} is {shown(text)}, no text")
        check_text(text, name)
    image = doc["image"]
    if not isinstance(image, dict) or not isinstance(image.get("bytes"), bytes) or not image["bytes"]:
        fail(f"image is {shown(image)}, no picture in the table")


def _mmt(root: Path) -> Iterator[tuple[str, Probe]]:
    for where, doc in _docs(root / MMT, "val", "index", (*_ASKED, "l2-category")):
        with _named(where):
            options = {letter: doc.get(letter) for letter in OPTIONS}
            for letter, text in options.items():
                if text is not None and not isinstance(text, str):
                    fail(f"option {letter} is {shown(text)}, no text")
            there = [letter for letter, text in options.items() if text and not is_blank(text)]
            if doc["answer"] not in there:
                fail(f"the answer {shown(doc['answer'])} is none of its options {', '.join(there)}")
        yield where, _one(str(doc["index"]), mmt_prompt(doc), doc, doc["category"], doc["l2-category"])


def _mini_vqa(root: Path) -> Iterator[tuple[str, Probe]]:
    for where, doc in _docs(root / MINI_VQA, "test", "question_id", (*_ASKED, "l2-category")):
        name, subtask = f"mini_vqa {doc['question_id']}", f"{doc['category']} (open)"
        yield where, _one(name, _short(doc), doc, subtask, doc["l2-category"])


def _pope(root: Path) -> Iterator[tuple[str, Probe]]:
    """POPE's questions differ in their answer alone: as one subtask, influence on its mean picked nine `no` for a
    `yes`.

    The hub has them twice, in the default config and by sampling in `Full`; the mini world has the latter alone.
    """
    folder = root / POPE
    whole = split_files(folder, "default", "test")
    parts = [("default", "test")] if whole else [("Full", name) for name in ("adversarial", "popular", "random")]
    for where, doc in (found for config, split in parts for found in _docs(folder, split, "id", _ASKED, config)):
        if doc["answer"] not in ("yes", "no"):
            with _named(where):
                fail(f"the answer is {shown(doc['answer'])}, neither yes nor no")
        name, subtask = f"pope {doc['category']} {doc['id']}", f"presence ({doc['answer']})"
        yield where, _one(name, _short(doc), doc, subtask, "pope")


def _llava_wild(root: Path) -> Iterator[tuple[str, Probe]]:
    """A question is asked alone, as in lmms-eval; the reference answer is what the judge compares with."""
    for where, doc in _docs(root / LLAVA_W, "train", "question_id", ("question", "gpt_answer", "category")):
        name, subtask = f"llava_wild {doc['question_id']}", f"wild ({doc['category']})"
        yield where, _one(name, doc["question"], doc | {"answer": doc["gpt_answer"]}, subtask, "wild")


#: Benchmarks that are read as they lie, by the names of their tasks in lmms-eval (POPE has three).
TARGETS = {"mmt_val": _mmt, "mini_vqa": _mini_vqa, "pope": _pope, "llava_in_the_wild": _llava_wild}
#: Where on the hub each lies.
REPOSITORY = {"mmt_val": MMT, "mini_vqa": MINI_VQA, "pope": POPE, "llava_in_the_wild": LLAVA_W}


def chosen_file(root: Path, target: str) -> Path:
    """Where `prepare` puts the rows that it chose to aim at of a target."""
    return root / "targets" / f"{target_name(target)}.parquet"


def place_of(root: Path, target: str) -> Path:
    """Where a target's rows are read: what `prepare` chose, or the benchmark as it lies."""
    chosen = chosen_file(root, target)
    return chosen if chosen.is_file() or target not in REPOSITORY else root / REPOSITORY[target]


def write_chosen(root: Path, target: str, rows: Iterable[Probe]) -> Path:
    """Write the rows that are aimed at of a target. Returns the file."""
    file = chosen_file(root, target)
    waiting: list[dict] = []
    with whole(file) as part, pq.ParquetWriter(part, _SCHEMA) as writer:
        for row, subtask, meta in rows:
            waiting.append(row | {"subtask": subtask, "meta_task": meta})
            if len(waiting) == _ROWS:
                writer.write_table(pa.Table.from_pylist(waiting, schema=_SCHEMA))
                waiting.clear()
        writer.write_table(pa.Table.from_pylist(waiting, schema=_SCHEMA))
    return file


def probe_rows(root: Path, target: str, whole: bool = False) -> Iterator[Probe]:
    """Each probe row of a target as {id, source, images, turns}, with its subtask and meta-task.

    A benchmark's are asked as lmms-eval asks them. `whole`: of one that lies in `root` all rows, for those who ask it
    as lmms-eval does, and not those alone that `prepare` chose. Raises InputError where `root` lacks the target, the
    benchmark's split or columns of it, and on a cell that says nothing, an answer that is no option, and a row that is
    there twice.
    """
    chosen = chosen_file(root, target)
    if target in TARGETS and (whole or not chosen.is_file()):
        seen: dict[str, str] = {}
        for where, (row, subtask, meta) in TARGETS[target](root):
            if seen.setdefault(row["id"], where) != where:
                with _named(where):
                    fail(f"{seen[row['id']]} has that name already")
            yield row, subtask, meta
        return
    if not chosen.is_file():
        raise InputError(
            f"{chosen}: no such file: nothing is chosen to aim at of {target}; name it in capture.targets and run "
            "`dvc repro prepare`"
        )
    with pq.ParquetFile(chosen) as file:
        for batch in file.iter_batches(_ROWS):
            for row in batch.to_pylist():
                subtask, meta = row.pop("subtask"), row.pop("meta_task")
                yield row, subtask, meta


def load_probe(
    root: Path, targets: list[str], whole: bool = False
) -> tuple[pa.Table, list[str], dict[str, dict[str, str]]]:
    """Probe rows of the `targets` as a pool table, each row's subtask, and every subtask's target and meta-task.

    A benchmark's subtasks are its own, so that the same skill in two forms of question counts as two. `whole`: as in
    `probe_rows`, and raises InputError as it does.
    """
    rows, subtasks, known = [], [], {}
    for target in targets:
        for row, subtask, meta in probe_rows(root, target, whole):
            rows.append(row)
            subtasks.append(subtask)
            known[subtask] = {"target": target_name(target), "meta_task": meta}
    return pa.Table.from_pylist(rows, schema=POOL_FEATURES.arrow_schema), subtasks, known
