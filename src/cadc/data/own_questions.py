"""Questions of your own as benchmarks: files in MMT-Bench's and POPE's schemas, split into probe rows and scored rows.

mmt.tsv      index, question, A to I (at least A and B), answer, category (the subtask), l2-category (the meta-task),
             split (VAL: probe, TEST: scored) and image_path, or `image` in base64, as in MMT-Bench's own files
pope.jsonl   {question_id, image, text, label: yes | no}, as in POPE's own files; an image's questions stay together,
             and those of every other image are probe rows

No picture is aimed at and scored. Two files with the same pixels are one picture, whatever they are called.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from cadc.config.data import Data
from cadc.config.errors import InputError
from cadc.data.checks import Checker
from cadc.data.hub_layout import MMT_COLUMNS, OPTIONS, POPE_COLUMNS, write_card, write_split
from cadc.data.pictures import opened
from cadc.data.pixels import upright_rgb
from cadc.data.probe import MMT, POPE
from cadc.data.reasons import check_text, fail, is_blank, shown
from cadc.data.records import PoolError
from cadc.data.wording import IMAGE_TOKEN

_NEEDED = ("index", "question", "A", "B", "answer", "category", "l2-category", "split")
_SPLITS = {"VAL": "probe", "TEST": "score"}


def _text(path: Path, fix: str) -> str:
    """A file's text, without a byte order mark."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise PoolError(f"{path}: no such file; {fix}") from None
    except UnicodeDecodeError as error:
        raise PoolError(f"{path}: not UTF-8 at byte {error.start}; re-save the file as UTF-8") from None
    except OSError as error:
        raise PoolError(f"{path}: can't be read ({error.strerror}); {fix}") from None


def _image(image: str | dict, checker: Checker) -> dict:
    return checker.image(image) | {"path": None}


@lru_cache(1 << 12)
def _digest(image: bytes) -> bytes:
    """By what a picture is known, however its file is called and packed: its pixels as models see them."""
    picture = upright_rgb(opened(image))
    return hashlib.blake2b(picture.tobytes(), digest_size=16, key=str(picture.size).encode()).digest()


def _check_question(text: str, name: str) -> None:
    check_text(text, name)
    if is_blank(text):
        fail(f"{name} is empty; fill it in or remove the row")
    if IMAGE_TOKEN in text:
        fail(f"{name} holds {IMAGE_TOKEN}; take it out: a question's picture is shown in front of it")


def _choice(record: dict, checker: Checker) -> tuple[str, dict]:
    """One line of mmt.tsv: where it goes and its document. Raises InputError with the reason and the fix."""
    if record["split"] not in _SPLITS:
        fail(f"split is {record['split']!r}; write VAL (aimed at) or TEST (scored)")
    options = {letter: (record.get(letter) or "").strip() or None for letter in OPTIONS}
    for name in ("question", "category", "l2-category", *(letter for letter in OPTIONS if options[letter])):
        _check_question(record[name], name)
    if not options.get(record["answer"]):
        given = ", ".join(letter for letter, text in options.items() if text)
        fail(f"the answer {record['answer']!r} is none of its options {given}; repair it")
    if not re.fullmatch(r"[0-9]{1,10}", record["index"]) or int(record["index"]) >= 1 << 31:
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


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row of a tab-separated file, by the header's names, and the line where it begins."""
    csv.field_size_limit(sys.maxsize)  # an image in base64 is a long field
    text = _text(path, "set data.choice to your questions in MMT-Bench's schema, or to null")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
    start, header = 1, None
    try:
        for fields in reader:
            where, start = start, reader.line_num + 1
            if not fields:
                continue
            if header is None:
                header = [name.strip() for name in fields]
                missing = [name for name in _NEEDED if name not in header]
                if not missing and not {"image_path", "image"} & {*header}:
                    missing = ["image_path"]
                if missing:
                    fail(f"the header lacks {', '.join(missing)}; name the columns as MMT-Bench does, parted by tabs")
                if twice := sorted({name for name in header if header.count(name) > 1}):
                    fail(f"the header names {', '.join(twice)} twice; name each column once")
                continue
            if torn := next((field for field in fields if "\t" in field and "\n" in field), None):
                fail(
                    f"line {where}: a field holds tabs and line breaks, {shown(torn)}: its first quote is not closed; "
                    'write "" for a quote inside a field in quotes, or take the quote out'
                )
            if len(fields) != len(header):
                fail(
                    f"line {where}, index {fields[0]}: has more or fewer fields than the header ({len(fields)}, not "
                    f"{len(header)}); put fields with tabs or line breaks into quotes"
                )
            yield where, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise PoolError(
            f"{path}, line {start}: the quotes of a field can't be told ({error}); a field that begins with a quote "
            'ends with one, and holds others twice: """Stop"" is written where?"'
        ) from None
    except InputError as error:
        raise PoolError(f"{path}{', ' if str(error).startswith('line') else ': '}{error}") from None
    if header is None:
        raise PoolError(f"{path}: it is empty; write a header and rows, or set data.choice to null")


def read_choice(path: Path, checker: Checker) -> dict[str, list[dict]]:
    """The documents of mmt.tsv for `probe` and `score`. Raises PoolError naming file, line and index, value and fix."""
    parts: dict[str, list[dict]] = {"probe": [], "score": []}
    seen: dict[int, int] = {}
    shown_in: dict[bytes, tuple[str, str]] = {}  # picture -> the part that shows it, and where
    for line, record in _rows(path):
        where = f"{path}, line {line}, index {record['index']}"
        try:
            part, document = _choice(record, checker)
        except InputError as error:
            raise PoolError(f"{where}: {error}") from None
        if document["index"] in seen:
            raise PoolError(f"{where}: line {seen[document['index']]} has that index already; give every row its own")
        seen[document["index"]] = line
        name = record.get("image_path") or "in base64"
        other, at = shown_in.setdefault(_digest(document["image"]["bytes"]), (part, f"line {line} ({name})"))
        if other != part:
            raise PoolError(
                f"{where}: its picture, {name}, is also that of {at}, and one of the two is of split VAL (aimed at), "
                "the other of TEST (scored); give all questions on a picture one split"
            )
        parts[part].append(document)
    for split, part in _SPLITS.items():
        if not parts[part]:
            raise PoolError(
                f"{path}: no row of split {split}; VAL rows are aimed at, TEST rows are scored, and both are needed"
            )
    return parts


def _yesno(path: Path, checker: Checker) -> Iterator[dict]:
    text = _text(path, "set data.yesno to your questions in POPE's schema, or to null")
    for number, line in enumerate(text.split("\n"), 1):
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
            for name in ("question_id", "category"):
                if isinstance(record.get(name), bool | list | dict):
                    fail(f"{name} is {shown(record[name])}; write a text or a number")
                check_text(str(record.get(name)), name)
            _check_question(record["text"], "text")
            image = _image(record["image"], checker)
        except InputError as error:
            raise PoolError(f"{where}: {error}") from None
        name = str(record["question_id"])
        yield {"id": name, "question_id": name, "question": record["text"], "answer": record["label"], "image_source": record["image"],
               "category": str(record.get("category") or "own"), "image": image}  # fmt: skip


def read_yesno(path: Path, checker: Checker, elsewhere: dict[str, list[dict]] | None = None) -> dict[str, list[dict]]:
    """The documents of pope.jsonl for `probe` (those of every other picture, from the first on) and `score`.

    A picture that other questions show, those `elsewhere`, goes where it is there. Raises PoolError naming file, line
    and question id, value and fix.
    """
    documents = list(_yesno(path, checker))
    seen: set[str] = set()
    for document in documents:
        if document["id"] in seen:
            raise PoolError(f"{path}, question_id {document['id']}: occurs twice; give every question its own")
        seen.add(document["id"])
    pictures = [_digest(document["image"]["bytes"]) for document in documents]
    place = {
        _digest(document["image"]["bytes"]): part for part, others in (elsewhere or {}).items() for document in others
    }
    free = [picture for picture in dict.fromkeys(pictures) if picture not in place]
    place |= {picture: ("probe", "score")[i % 2] for i, picture in enumerate(free)}
    parts = {
        part: [document for document, picture in zip(documents, pictures, strict=True) if place[picture] == part]
        for part in ("probe", "score")
    }
    if not (parts["probe"] and parts["score"]):
        raise PoolError(
            f"{path}: {len(set(pictures))} image(s); at least two are needed, one for probe rows and one for scored "
            "rows, and not both among VAL or both among TEST of data.choice"
        )
    return parts


def write_own(choice: Path | None, yesno: Path | None, checker: Checker, roots: dict[str, Path]) -> None:
    """Write your own questions into `roots["probe"]` and `roots["score"]` in the hub's layout.

    They take the place of MMT-Bench and of the whole of POPE (task `pope`). No picture is in both.
    """
    chosen = read_choice(choice, checker) if choice else {}
    for part, documents in chosen.items():
        write_split(roots[part] / MMT, "default", "val", documents, MMT_COLUMNS)  # mmt_val reads the split of that name
        write_card(roots[part] / MMT, {"default": ["val"]})
    if yesno:
        for part, documents in read_yesno(yesno, checker, chosen).items():
            write_split(roots[part] / POPE, "default", "test", documents, POPE_COLUMNS)
            write_card(roots[part] / POPE, {"default": ["test"]})


def own_repositories(data: Data) -> set[str]:
    """Repositories that are made of one's own questions."""
    return {repository for repository, name in ((MMT, data.choice), (POPE, data.yesno)) if name}
