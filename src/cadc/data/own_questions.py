"""Questions of your own as benchmarks: files in MMT-Bench's and POPE's schemas, split into probe rows and scored rows.

mmt.tsv      index, question, A to I (at least A and B), answer, category (the subtask), l2-category (the meta-task),
             split (VAL: probe, TEST: scored) and image_path, or `image` in base64, as in MMT-Bench's own files
pope.jsonl   {question_id, image, text, label: yes | no}, as in POPE's own files; an image's questions stay together,
             and those of every other image are probe rows

No picture is aimed at and scored. Two files with the same pixels are one picture, whatever they are called.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from cadc.config.data import Data
from cadc.config.errors import InputError
from cadc.data.checks import Checker
from cadc.data.fields import check_fields, given, spelt
from cadc.data.hub_layout import MMT_COLUMNS, OPTIONS, POPE_COLUMNS, write_card, write_split
from cadc.data.json_rows import Repeated, json_values
from cadc.data.marks import other_mark, picture_mark
from cadc.data.pictures import opened
from cadc.data.pixels import upright_rgb
from cadc.data.probe import MMT, POPE
from cadc.data.reasons import PoolError, check_text, fail, is_blank, shown
from cadc.data.tab_rows import check_file, tab_rows
from cadc.data.wording import IMAGE_TOKEN

_NEEDED = ("index", "question", "A", "B", "answer", "category", "l2-category", "split", "image_path|image")
_POPE_NEEDED = ("question_id", "image", "text", "label")
_SPLITS = {"VAL": "probe", "TEST": "score"}
#: What others write beside a question, and no task here shows.
_BESIDE = {"hint", "hints", "context", "passage", "document", "choices", "options", "image2", "image3", "image4"}


def _image(image: str | dict, checker: Checker) -> dict:
    return checker.image(image) | {"path": None}


@lru_cache(1 << 12)
def _digest(image: bytes) -> bytes:
    """By what a picture is known, however its file is called and packed: its pixels as models see them."""
    picture = upright_rgb(opened(image))
    return hashlib.blake2b(picture.tobytes(), digest_size=16, key=str(picture.size).encode()).digest()


def _check_text(text: str, name: str) -> None:
    check_text(text, name)
    if is_blank(text):
        fail(f"{name} is empty; fill it in or remove the row")
    if IMAGE_TOKEN in text:
        fail(f"{name} holds {IMAGE_TOKEN}; take it out: a question's picture is shown in front of it")


def _check_question(record: dict, name: str, options: list[str], own: tuple[str, ...]) -> None:
    """Refuse a question, in field `name` of a record, that can't be seen, or that means more than what its `own` fields
    say and its picture shows.
    """
    texts = [record[field] for field in (name, *options)]
    for field, text in zip((name, *options), texts, strict=True):
        _check_text(text, field)
        asked = field == name  # an option may be the name of an element of HTML
        if mark := picture_mark(text, texts, everywhere=asked) or (other_mark(text, texts) if asked else None):
            fail(
                f"{field} holds {mark}, by which others mark what is shown; take it out: the picture is shown in front"
            )
    others = {field: value for field, value in record.items() if field not in own}
    for field, value in others.items():
        is_option = len(field) == 1 and str(value or "").strip()
        if is_option or (spelt(field) in _BESIDE and given(value)):
            fail(
                f"has {'an option' if is_option else 'a text'} {field}, {shown(value)}, which is not shown: the task "
                f"takes {', '.join(own)}; write it into {name}, or take it out"
            )
    check_fields({"image": "shown"} | others)


def _choice(record: dict, checker: Checker) -> tuple[str, dict]:
    """One line of mmt.tsv: where it goes and its document. Raises InputError with the reason and the fix."""
    if record["split"] not in _SPLITS:
        fail(f"split is {record['split']!r}; write VAL (aimed at) or TEST (scored)")
    options = {letter: (record.get(letter) or "").strip() or None for letter in OPTIONS}
    letters = [letter for letter, text in options.items() if text]
    _check_question(record, "question", letters, (*MMT_COLUMNS, "image_path"))
    for name in ("category", "l2-category"):
        _check_text(record[name], name)
    if record["answer"] not in letters:
        fail(f"the answer {record['answer']!r} is none of its options {', '.join(letters)}; repair it")
    if len(letters) < 2:
        fail(f"has one option alone, {letters[0]}; give at least two")
    first = {options[letter]: letter for letter in reversed(letters)}
    if twins := [(first[options[letter]], letter) for letter in letters if first[options[letter]] != letter]:
        one, other = twins[0]
        fail(f"its options {one} and {other} are both {shown(options[one])}; make them differ, or take one out")
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


def read_choice(path: Path, checker: Checker) -> dict[str, list[dict]]:
    """The documents of mmt.tsv for `probe` and `score`. Raises PoolError naming file, line and index, value and fix."""
    parts: dict[str, list[dict]] = {"probe": [], "score": []}
    seen: dict[int, int] = {}
    shown_in: dict[bytes, tuple[str, str]] = {}  # picture -> the part that shows it, and where
    metas: dict[str, tuple[str, int]] = {}  # subtask -> its meta-task, and the line that says so
    fix = "set data.choice to your questions in MMT-Bench's schema, or to null"
    for line, record in tab_rows(path, _NEEDED, fix):
        where = f"{path}, line {line}, index {record['index']}"
        try:
            part, document = _choice(record, checker)
        except InputError as error:
            raise PoolError(f"{where}: {error}") from None
        if document["index"] in seen:
            raise PoolError(f"{where}: line {seen[document['index']]} has that index already; give every row its own")
        seen[document["index"]] = line
        meta, before = metas.setdefault(document["category"], (document["l2-category"], line))
        if meta != document["l2-category"]:
            raise PoolError(
                f"{where}: category {document['category']!r} is of l2-category {document['l2-category']!r}, and on "
                f"line {before} of {meta!r}; give each category one, or the two categories a name each"
            )
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
    check_file(path, "set data.yesno to your questions in POPE's schema, or to null")
    for number, record in json_values(path, lines=True):
        where = f"{path}, line {number}"
        if isinstance(record, Repeated):
            raise PoolError(f"{where}: {record.reason}")
        missing = [name for name in _POPE_NEEDED if not isinstance(record, dict) or not given(record.get(name))]
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
            _check_question(record, "text", [], (*_POPE_NEEDED, "category"))
            image = _image(record["image"], checker)
        except InputError as error:
            raise PoolError(f"{where}: {error}") from None
        name, category = str(record["question_id"]), record.get("category")
        yield {"id": name, "question_id": name, "question": record["text"], "answer": record["label"],
               "image_source": record["image"], "category": str(category) if given(category) else "own",
               "image": image}  # fmt: skip


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
