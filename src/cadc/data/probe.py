"""Target rows: probe splits of benchmarks, and rows from files.

Nothing is skipped, because scores on a part of a benchmark would not be comparable: an unusable cell raises an error.

ROOT/ORG/NAME/              benchmarks in the hub's layout
ROOT/targets/NAME.parquet   target rows that `prepare` drew for a target: a pool table with subtask and meta_task.
                            The generated world's benchmarks are read in place, without such a file
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

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

_ASKED = ("question", "answer", "category")  # text columns of most benchmarks

Probe = tuple[dict, str, str]  # a row {id, source, images, turns}, its subtask and meta-task
Found = tuple[str, dict]  # a document's location, and the document
_SCHEMA = POOL_FEATURES.arrow_schema.append(pa.field("subtask", pa.string())).append(pa.field("meta_task", pa.string()))
_ROWS = 256  # rows read or written at a time; small, because rows hold images


def probe_row(name: str, question: str, answer: str, images: list[dict], subtask: str, meta: str) -> Probe:
    """A target row. The question's text holds no `<image>`; one per image is put in front of it."""
    turns = [
        {"role": "user", "text": f"{IMAGE_TOKEN * len(images)}\n{question}" if images else question},
        {"role": "assistant", "text": answer},
    ]
    return {"id": name, "source": meta, "images": images, "turns": turns}, subtask, meta


def mmt_prompt(doc: dict) -> str:
    """The prompt of lmms-eval's `mmt_val` for a question, without the `<image>` that it puts after `Question:`."""
    options = "\n".join(
        f"{letter}: {doc[letter].strip()}" for letter in OPTIONS if doc.get(letter) and doc[letter].strip()
    )
    return f"Question: \n{doc['question'].strip()}\n{options}\n{MMT_LETTER}"


def _short(doc: dict) -> str:
    """The prompt of an open or yes/no question, as in POPE's and mini_vqa's tasks."""
    return f"{doc['question'].strip()}\n{SHORT_ANSWER}"


def _one(name: str, question: str, doc: dict, subtask: str, meta: str) -> Probe:
    return probe_row(name, question_alone(question), doc["answer"], [doc["image"]], subtask, meta)


def _docs(folder: Path, split: str, key: str, texts: tuple[str, ...], config: str | None = None) -> Iterator[Found]:
    """Documents of a split with their location (file, row, `key`). Each has an image and visible `texts`.

    Raises InputError if files, columns or cells are missing.

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
    """Prefix an InputError with the document's location and append the fix."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}; repair the row, or fetch the data set again") from None


def _check_doc(doc: dict, key: str, texts: tuple[str, ...]) -> None:
    id_of(doc[key], key)
    for name in texts:
        text = doc[name]
        if not isinstance(text, str) or is_blank(text) or not (given(text) or "answer" in name):  # may be `none`
            fail(f"{name} is {shown(text)}, not a visible text")
        check_text(text, name)
    image = doc["image"]
    if not isinstance(image, dict) or not isinstance(image.get("bytes"), bytes) or not image["bytes"]:
        fail(f"image is {shown(image)}, not an image in the table")


def _mmt(root: Path) -> Iterator[tuple[str, Probe]]:
    for where, doc in _docs(root / MMT, "val", "index", (*_ASKED, "l2-category")):
        with _named(where):
            options = {letter: doc.get(letter) for letter in OPTIONS}
            for letter, text in options.items():
                if text is not None and not isinstance(text, str):
                    fail(f"option {letter} is {shown(text)}, not a text")
            there = [letter for letter, text in options.items() if text and not is_blank(text)]
            if doc["answer"] not in there:
                fail(f"the answer {shown(doc['answer'])} is not one of its options {', '.join(there)}")
        yield where, _one(str(doc["index"]), mmt_prompt(doc), doc, doc["category"], doc["l2-category"])


def _mini_vqa(root: Path) -> Iterator[tuple[str, Probe]]:
    for where, doc in _docs(root / MINI_VQA, "test", "question_id", (*_ASKED, "l2-category")):
        name, subtask = f"mini_vqa {doc['question_id']}", f"{doc['category']} (open)"
        yield where, _one(name, _short(doc), doc, subtask, doc["l2-category"])


def _pope(root: Path) -> Iterator[tuple[str, Probe]]:
    """POPE's target rows, with one subtask per answer: as a single subtask, influence on its mean selected nine `no`
    rows for each `yes` row.

    The hub has the questions twice, in the default config and by sampling in `Full`; the mini world has only `Full`.
    """
    folder = root / POPE
    whole = split_files(folder, "default", "test")
    parts = [("default", "test")] if whole else [("Full", name) for name in ("adversarial", "popular", "random")]
    for where, doc in (found for config, split in parts for found in _docs(folder, split, "id", _ASKED, config)):
        if doc["answer"] not in ("yes", "no"):
            with _named(where):
                fail(f"the answer is {shown(doc['answer'])}, not yes or no")
        name, subtask = f"pope {doc['category']} {doc['id']}", f"presence ({doc['answer']})"
        yield where, _one(name, _short(doc), doc, subtask, "pope")


def _llava_wild(root: Path) -> Iterator[tuple[str, Probe]]:
    """Questions are shown without a prompt suffix, as in lmms-eval; the answer is the judge's reference answer."""
    for where, doc in _docs(root / LLAVA_W, "train", "question_id", ("question", "gpt_answer", "category")):
        name, subtask = f"llava_wild {doc['question_id']}", f"wild ({doc['category']})"
        yield where, _one(name, doc["question"], doc | {"answer": doc["gpt_answer"]}, subtask, "wild")


#: Benchmarks that are read in place, by the names of their tasks in lmms-eval (POPE has three tasks).
TARGETS = {"mmt_val": _mmt, "mini_vqa": _mini_vqa, "pope": _pope, "llava_in_the_wild": _llava_wild}
#: Their repositories on the hub.
REPOSITORY = {"mmt_val": MMT, "mini_vqa": MINI_VQA, "pope": POPE, "llava_in_the_wild": LLAVA_W}


def chosen_file(root: Path, target: str) -> Path:
    """Path of the target rows that `prepare` drew for a target."""
    return root / "targets" / f"{target_name(target)}.parquet"


def place_of(root: Path, target: str) -> Path:
    """Where a target's rows are read: the file written by `prepare`, or the benchmark itself."""
    chosen = chosen_file(root, target)
    return chosen if chosen.is_file() or target not in REPOSITORY else root / REPOSITORY[target]


def write_chosen(root: Path, target: str, rows: Iterable[Probe]) -> Path:
    """Write a target's rows. Returns the file."""
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

    A benchmark's questions use lmms-eval's prompts. `whole`: read all rows of a benchmark in `root`, as lmms-eval does,
    not only those drawn by `prepare`. Raises InputError if `root` lacks the target, the benchmark's split or a column,
    if a cell is empty, an answer is not an option, or a row occurs twice.
    """
    chosen = chosen_file(root, target)
    if target in TARGETS and (whole or not chosen.is_file()):
        seen: dict[str, str] = {}
        for where, (row, subtask, meta) in TARGETS[target](root):
            if seen.setdefault(row["id"], where) != where:
                with _named(where):
                    fail(f"{seen[row['id']]} already has this id")
            yield row, subtask, meta
        return
    if not chosen.is_file():
        raise InputError(
            f"{chosen}: no such file, because target rows of {target} were not drawn; add it to capture.targets and "
            "run `dvc repro prepare`"
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

    Benchmarks don't share subtasks, so the same skill in two question formats counts as two. `whole` and errors: see
    `probe_rows`.
    """
    rows, subtasks, known = [], [], {}
    for target in targets:
        for row, subtask, meta in probe_rows(root, target, whole):
            rows.append(row)
            subtasks.append(subtask)
            known[subtask] = {"target": target_name(target), "meta_task": meta}
    return pa.Table.from_pylist(rows, schema=POOL_FEATURES.arrow_schema), subtasks, known


def sources_of(probe: pa.Table, subtasks: list[str]) -> dict[str, dict[str, str]]:
    """`source`, the folder that all pictures of a subtask come from, by subtask; those are left out whose pictures come
    from several, or do not say."""
    folders: dict[str, set[str]] = {}
    for subtask, images in zip(subtasks, probe["images"].to_pylist(), strict=True):
        for image in images or ():
            path = PurePosixPath(image["path"] or "")
            folders.setdefault(subtask, set()).add(path.parts[0] if len(path.parts) > 1 else "")
    return {name: {"source": min(own)} for name, own in folders.items() if len(own) == 1 and "" not in own}
