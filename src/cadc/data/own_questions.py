"""Questions of your own as benchmarks: files in MMT-Bench's and POPE's schemas, parted into rows that are aimed at and rows that are scored.

mmt.tsv      index, question, A to I (at least A and B), answer, category (the subtask), l2-category (the meta-task), split (VAL: aimed
             at, TEST: scored) and image_path, or `image` in base64, as in MMT-Bench's own files
pope.jsonl   {question_id, image, text, label: yes | no}, as in POPE's own files; an image's questions stay together, and every other
             image's are aimed at
"""

from __future__ import annotations

import base64
import binascii
import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from cadc.data.checks import Checker
from cadc.data.hub_layout import MMT_COLUMNS, OPTIONS, POPE_COLUMNS, write_card, write_split
from cadc.data.probe import MMT, POPE
from cadc.data.records import PoolError

_NEEDED = ("index", "question", "A", "B", "answer", "category", "l2-category", "split")
_SPLITS = {"VAL": "probe", "TEST": "score"}


def _lines(path: Path, fix: str) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise PoolError(f"{path}: no such file; {fix}") from None
    except UnicodeDecodeError as error:
        raise PoolError(f"{path}: not UTF-8 at byte {error.start}; re-save the file as UTF-8") from None


def _image(image: str | dict, checker: Checker) -> dict:
    return checker.image(image) | {"path": None}


def _choice(record: dict, checker: Checker) -> tuple[str, dict]:
    """One line of mmt.tsv: where it goes and its document. Raises ValueError with the reason and the fix."""
    if None in record or None in record.values():
        raise ValueError(
            "has more or fewer fields than the header; a tab or a line break stands inside a field, replace it"
        )
    if record["split"] not in _SPLITS:
        raise ValueError(f"split is {record['split']!r}; write VAL (aimed at) or TEST (scored)")
    options = {letter: (record.get(letter) or "").strip() or None for letter in OPTIONS}
    if not options.get(record["answer"]):
        raise ValueError(
            f"the answer {record['answer']!r} is none of its options {', '.join(k for k, v in options.items() if v)}; repair it"
        )
    for name in ("question", "category", "l2-category"):
        if not record[name].strip():
            raise ValueError(f"{name} is empty; fill it in or remove the row")
    if not record["index"].isdigit():
        raise ValueError(f"index is {record['index']!r}; number the rows")
    if record.get("image_path"):
        image = _image(record["image_path"], checker)
    else:
        try:
            data = base64.b64decode(record.get("image") or "", validate=True)
        except binascii.Error:
            raise ValueError("image is not base64; give image_path, a path inside the image folder") from None
        image = _image({"bytes": data, "path": "in base64"}, checker)
    document = {
        "index": int(record["index"]),
        **options,
        "image": image,
        **{name: record[name] for name in ("question", "answer", "category", "l2-category", "split")},
    }
    return _SPLITS[record["split"]], document


def read_choice(path: Path, checker: Checker) -> dict[str, list[dict]]:
    """The documents of mmt.tsv for `probe` and `score`. Raises PoolError naming file, line and index, value and fix."""
    csv.field_size_limit(sys.maxsize)  # an image in base64 is a long field
    reader = csv.DictReader(
        _lines(path, "set data.choice to your questions in MMT-Bench's schema, or to null"),
        delimiter="\t",
        quoting=csv.QUOTE_MINIMAL,
    )
    missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
    if not missing and not {"image_path", "image"} & set(reader.fieldnames):
        missing = ["image_path"]
    if missing:
        raise PoolError(
            f"{path}: the header lacks {', '.join(missing)}; name the columns as MMT-Bench does, parted by tabs"
        )
    parts: dict[str, list[dict]] = {"probe": [], "score": []}
    seen: dict[int, int] = {}
    for record in reader:
        where = f"{path}, line {reader.line_num}, index {record['index']}"
        try:
            part, document = _choice(record, checker)
        except ValueError as error:
            raise PoolError(f"{where}: {error}") from None
        if document["index"] in seen:
            raise PoolError(f"{where}: line {seen[document['index']]} has that index already; give every row its own")
        seen[document["index"]] = reader.line_num
        parts[part].append(document)
    for split, part in _SPLITS.items():
        if not parts[part]:
            raise PoolError(
                f"{path}: no row of split {split}; VAL rows are aimed at, TEST rows are scored, and both are needed"
            )
    return parts


def _yesno(path: Path, checker: Checker) -> Iterator[dict]:
    for number, line in enumerate(_lines(path, "set data.yesno to your questions in POPE's schema, or to null"), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise PoolError(f"{where}: not JSON ({error.msg}); repair or remove the line") from None
        missing = [
            name
            for name in ("question_id", "image", "text", "label")
            if not isinstance(record, dict) or record.get(name) in (None, "")
        ]
        if missing:
            raise PoolError(f"{where}: lacks {', '.join(missing)}; write {{question_id, image, text, label}}")
        where += f", question_id {record['question_id']}"
        if record["label"] not in ("yes", "no"):
            raise PoolError(f"{where}: label is {record['label']!r}; write yes or no")
        try:
            image = _image(record["image"], checker)
        except ValueError as error:
            raise PoolError(f"{where}: {error}") from None
        name = str(record["question_id"])
        yield {"id": name, "question_id": name, "question": record["text"], "answer": record["label"], "image_source": record["image"],
               "category": str(record.get("category") or "own"), "image": image}  # fmt: skip


def read_yesno(path: Path, checker: Checker) -> dict[str, list[dict]]:
    """The documents of pope.jsonl for `probe` (those of every other image, from the first on) and `score`.

    Raises PoolError naming file, line and question id, value and fix.
    """
    documents = list(_yesno(path, checker))
    seen: set[str] = set()
    for document in documents:
        if document["id"] in seen:
            raise PoolError(f"{path}, question_id {document['id']}: stands there twice; give every question its own")
        seen.add(document["id"])
    images = {image: i for i, image in enumerate(dict.fromkeys(document["image_source"] for document in documents))}
    if len(images) < 2:
        raise PoolError(
            f"{path}: {len(images)} image(s); at least two are needed, to aim at one's questions and to score the other's"
        )
    return {
        part: [document for document in documents if images[document["image_source"]] % 2 == k]
        for k, part in enumerate(("probe", "score"))
    }


def write_own(choice: Path | None, yesno: Path | None, checker: Checker, roots: dict[str, Path]) -> None:
    """Write your own questions into `roots["probe"]` and `roots["score"]` in the hub's layout, as MMT-Bench and as POPE's whole (task `pope`)."""
    if choice:
        for part, documents in read_choice(choice, checker).items():
            write_split(
                roots[part] / MMT, "default", "val", documents, MMT_COLUMNS
            )  # mmt_val reads the split of that name
            write_card(roots[part] / MMT, {"default": ["val"]})
    if yesno:
        for part, documents in read_yesno(yesno, checker).items():
            write_split(roots[part] / POPE, "default", "test", documents, POPE_COLUMNS)
            write_card(roots[part] / POPE, {"default": ["test"]})
