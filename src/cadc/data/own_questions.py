"""Questions of your own as benchmarks: files in MMT-Bench's and POPE's schemas, split into probe rows and scored rows.

mmt.tsv      index, question, A to I (at least A and B), answer, category (the subtask), l2-category (the meta-task),
             split (VAL: probe, TEST: scored) and image_path, or `image` in base64, as in MMT-Bench's own files
pope.jsonl   {question_id, image, text, label: yes | no}, as in POPE's own files; an image's questions stay together,
             and those of every other image are probe rows
"""

from __future__ import annotations

import base64
import csv
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from cadc.config.errors import InputError
from cadc.data.checks import Checker, check_text, fail, shown
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
    except OSError as error:
        raise PoolError(f"{path}: can't be read ({error.strerror}); {fix}") from None


def _image(image: str | dict, checker: Checker) -> dict:
    return checker.image(image) | {"path": None}


def _choice(record: dict, checker: Checker) -> tuple[str, dict]:
    """One line of mmt.tsv: where it goes and its document. Raises InputError with the reason and the fix."""
    if None in record or None in record.values():
        fail("has more or fewer fields than the header; replace tabs and line breaks inside a field")
    if record["split"] not in _SPLITS:
        fail(f"split is {record['split']!r}; write VAL (aimed at) or TEST (scored)")
    options = {letter: (record.get(letter) or "").strip() or None for letter in OPTIONS}
    if not options.get(record["answer"]):
        given = ", ".join(letter for letter, text in options.items() if text)
        fail(f"the answer {record['answer']!r} is none of its options {given}; repair it")
    for name in ("question", "category", "l2-category"):
        if not record[name].strip():
            fail(f"{name} is empty; fill it in or remove the row")
    if not re.fullmatch(r"\d{1,10}", record["index"]) or int(record["index"]) >= 1 << 31:
        fail(f"index is {shown(record['index'])}; number the rows, below {1 << 31}")
    if record.get("image_path"):
        image = _image(record["image_path"], checker)
    else:
        try:
            data = base64.b64decode(record.get("image") or "", validate=True)
        except ValueError:
            fail("image is not base64; give image_path, a path inside the image folder")
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
        except InputError as error:
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
        except (ValueError, RecursionError) as error:
            why = getattr(error, "msg", error)
            raise PoolError(f"{where}: not JSON ({why}); repair or remove the line") from None
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
            for name in ("image", "text"):
                if not isinstance(record[name], str):
                    fail(f"{name} is {shown(record[name])}; write a text")
            for name in ("question_id", "text", "category"):
                check_text(str(record.get(name)), name)
            image = _image(record["image"], checker)
        except InputError as error:
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
            raise PoolError(f"{path}, question_id {document['id']}: occurs twice; give every question its own")
        seen.add(document["id"])
    images = {image: i for i, image in enumerate(dict.fromkeys(document["image_source"] for document in documents))}
    if len(images) < 2:
        raise PoolError(
            f"{path}: {len(images)} image(s); at least two are needed, one for probe rows and one for scored rows"
        )
    return {
        part: [document for document in documents if images[document["image_source"]] % 2 == k]
        for k, part in enumerate(("probe", "score"))
    }


def write_own(choice: Path | None, yesno: Path | None, checker: Checker, roots: dict[str, Path]) -> None:
    """Write your own questions into `roots["probe"]` and `roots["score"]` in the hub's layout.

    They take the place of MMT-Bench and of the whole of POPE (task `pope`).
    """
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
