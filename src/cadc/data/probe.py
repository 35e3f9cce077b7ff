"""The probe splits of benchmarks as rows: the target set on which capabilities are discovered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cadc.config.errors import InputError
from cadc.data.hub_layout import OPTIONS, split_files
from cadc.data.reader import POOL_FEATURES
from cadc.data.wording import IMAGE_TOKEN, MMT_LETTER, SHORT_ANSWER, question_alone

MMT, POPE, MINI_VQA = "lmms-lab-encoder/MMT-Benchmark", "lmms-lab-encoder/POPE", "cadc/mini-vqa"
LLAVA_W = "lmms-lab-encoder/llava-bench-in-the-wild"

#: Columns that must be there: of most benchmarks, and of LLaVA-in-the-Wild.
_ASKED = ("question", "answer", "image", "category")
_WILD = ("question_id", "question", "gpt_answer", "image", "category")

Probed = tuple[str, str, str, dict, str, str]  # (id, question, answer, image, subtask, meta-task)


def mmt_prompt(doc: dict) -> str:
    """The text that lmms-eval's `mmt_val` makes of a question, its `<image>` (behind `Question:`) apart."""
    options = "\n".join(
        f"{letter}: {doc[letter].strip()}" for letter in OPTIONS if doc.get(letter) and doc[letter].strip()
    )
    return f"Question: \n{doc['question'].strip()}\n{options}\n{MMT_LETTER}"


def _short(doc: dict) -> str:
    """The text of an open or yes/no question, as POPE's and mini_vqa's tasks put it."""
    return f"{doc['question'].strip()}\n{SHORT_ANSWER}"


def _docs(folder: Path, split: str, columns: tuple[str, ...], config: str | None = None) -> Iterator[tuple[Path, dict]]:
    """The documents of a split, with their file. Raises InputError where files or `columns` are missing."""
    files = split_files(folder, config, split)
    if not files:
        raise InputError(
            f"no {split}-*.parquet under {folder}; run `dvc repro prepare`, set data.probe, or shorten capture.targets"
        )
    for file in files:
        try:
            table = pq.read_table(file)
        except pa.ArrowInvalid as error:
            raise InputError(f"{file}: can't be read ({error}); fetch it again") from None
        missing = [name for name in columns if name not in table.column_names]
        if missing:
            raise InputError(f"{file}: no column {', '.join(missing)}; fetch the data set again")
        for doc in table.to_pylist():
            yield file, doc


def _mmt(root: Path) -> Iterator[Probed]:
    for file, doc in _docs(root / MMT, "val", ("index", *_ASKED, "l2-category")):
        if not doc.get(doc["answer"]):
            raise InputError(
                f"{file}, index {doc['index']}: the answer {doc['answer']!r} is none of its options; repair the row"
            )
        yield str(doc["index"]), mmt_prompt(doc), doc["answer"], doc["image"], doc["category"], doc["l2-category"]


def _mini_vqa(root: Path) -> Iterator[Probed]:
    for _, doc in _docs(root / MINI_VQA, "test", ("question_id", *_ASKED, "l2-category")):
        yield (
            f"mini_vqa {doc['question_id']}",
            _short(doc),
            doc["answer"],
            doc["image"],
            f"{doc['category']} (open)",
            doc["l2-category"],
        )


def _pope(root: Path) -> Iterator[Probed]:
    """POPE's questions differ in their answer alone: as one subtask, influence on its mean picked nine `no` for a
    `yes`.

    The hub has them twice, in the default config and by sampling in `Full`; the mini world has the latter alone.
    """
    folder, columns = root / POPE, ("id", *_ASKED)
    whole = split_files(folder, "default", "test")
    parts = [("default", "test")] if whole else [("Full", name) for name in ("adversarial", "popular", "random")]
    for _, doc in (found for config, split in parts for found in _docs(folder, split, columns, config)):
        yield (
            f"pope {doc['category']} {doc['id']}",
            _short(doc),
            doc["answer"],
            doc["image"],
            f"presence ({doc['answer']})",
            "pope",
        )


def _llava_wild(root: Path) -> Iterator[Probed]:
    """A question is asked alone, as in lmms-eval; the reference answer is what the judge compares with."""
    for _, doc in _docs(root / LLAVA_W, "train", _WILD):
        name = f"wild ({doc['category']})"
        yield (
            f"llava_wild {doc['question_id']}",
            doc["question"],
            doc["gpt_answer"],
            doc["image"],
            name,
            "wild",
        )


#: Benchmarks that can be aimed at, by the names of their tasks in lmms-eval (POPE has three).
TARGETS = {"mmt_val": _mmt, "mini_vqa": _mini_vqa, "pope": _pope, "llava_in_the_wild": _llava_wild}
#: Where on the hub each lies.
REPOSITORY = {"mmt_val": MMT, "mini_vqa": MINI_VQA, "pope": POPE, "llava_in_the_wild": LLAVA_W}


def probe_rows(root: Path, target: str) -> Iterator[tuple[dict, str, str]]:
    """Each probe row of a target as {id, source, images, turns}, with its subtask and meta-task.

    It is asked as lmms-eval asks it. Raises InputError where `root` lacks the target's split or columns of it, and on
    an answer that is no option.
    """
    for name, question, answer, image, subtask, meta in TARGETS[target](root):
        turns = [
            {"role": "user", "text": f"{IMAGE_TOKEN}\n{question_alone(question)}"},
            {"role": "assistant", "text": answer},
        ]
        yield {"id": name, "source": meta, "images": [image], "turns": turns}, subtask, meta


def load_probe(root: Path, targets: list[str]) -> tuple[pa.Table, list[str], dict[str, dict[str, str]]]:
    """Probe rows of the `targets` as a pool table, each row's subtask, and every subtask's target and meta-task.

    A benchmark's subtasks are its own, so that the same skill in two forms of question counts as two. Raises InputError
    as `probe_rows` does.
    """
    rows, subtasks, known = [], [], {}
    for target in targets:
        for row, subtask, meta in probe_rows(root, target):
            rows.append(row)
            subtasks.append(subtask)
            known[subtask] = {"target": target, "meta_task": meta}
    return pa.Table.from_pylist(rows, schema=POOL_FEATURES.arrow_schema), subtasks, known
