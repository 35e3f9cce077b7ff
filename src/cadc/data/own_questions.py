"""Turn your own questions into benchmarks: files in MMT-Bench's and POPE's schemas, split into target and scoring rows.

mmt.tsv      index, question, A to I (at least A and B), answer, category (the subtask), l2-category (the meta-task),
             split (VAL: target rows, TEST: scoring rows) and image_path, or `image` in base64, as in MMT-Bench's files
pope.jsonl   {question_id, image, text, label: yes | no}, as in POPE's files; an image's questions stay together, and
             every second image's questions are target rows

No image is in both target and scoring rows. Images with the same pixels count as one, whatever the files' names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cadc.config.data import Data
from cadc.config.errors import InputError
from cadc.data.checks import Checker
from cadc.data.fields import given
from cadc.data.hub_layout import MMT_COLUMNS, POPE_COLUMNS, write_card, write_split
from cadc.data.ids import id_of
from cadc.data.json_rows import Unusable, json_values
from cadc.data.probe import MMT, POPE
from cadc.data.question_cells import check_given, check_question, options_of, picture, picture_of, pixels_digest
from cadc.data.reasons import PoolError, check_text, fail, shown, visible
from cadc.data.tab_rows import check_file, tab_rows

_NEEDED = ("index", "question", "A", "B", "answer", "category", "l2-category", "split", "image_path|image")
_POPE_NEEDED = ("question_id", "image", "text", "label")
_SPLITS = {"VAL": "probe", "TEST": "score"}


def _choice(record: dict, checker: Checker) -> tuple[str, dict]:
    """(part, document) of one line of mmt.tsv. Raises InputError with the reason and the fix."""
    if record["split"] not in _SPLITS:
        fail(f"split is {shown(record['split'])}; write VAL (target rows) or TEST (scoring rows)")
    options = options_of(record)
    letters = [letter for letter, text in options.items() if text]
    check_question(record, "question", letters, (*MMT_COLUMNS, "image_path"))
    kinds = {name: record[name].strip() for name in ("category", "l2-category")}
    for name, text in kinds.items():
        check_given(text, name)
    if record["answer"] not in letters:
        fail(f"the answer {shown(record['answer'])} is not one of its options {', '.join(letters)}; correct it")
    if len(letters) < 2:
        fail(f"has only one option, {letters[0]}; give at least two")
    seen = {letter: visible(options[letter]).strip() for letter in letters}
    first = {seen[letter]: letter for letter in reversed(letters)}
    if twins := [(first[seen[letter]], letter) for letter in letters if first[seen[letter]] != letter]:
        one, other = twins[0]
        fail(f"options {one} and {other} are both {shown(options[one])}; make them differ, or delete one")
    if not re.fullmatch(r"[0-9]{1,10}", record["index"]) or int(record["index"]) >= 1 << 31:
        fail(f"index is {shown(record['index'])}; number the rows with integers below {1 << 31}")
    document = {
        "index": int(record["index"]),
        **options,
        "image": picture_of(record, checker),
        **{name: record[name] for name in ("question", "answer", "split")},
        **kinds,
    }
    return _SPLITS[record["split"]], document


def read_choice(path: Path, checker: Checker) -> dict[str, list[dict]]:
    """Documents of mmt.tsv for `probe` and `score`. Raises PoolError naming file, line and index, value and fix."""
    parts: dict[str, list[dict]] = {"probe": [], "score": []}
    seen: dict[int, int] = {}
    shown_in: dict[bytes, tuple[str, str]] = {}  # image -> the part that shows it, and where
    metas: dict[str, tuple[str, int]] = {}  # subtask -> its meta-task, and the line that states it
    spelling: dict[tuple[str, str], tuple[str, int]] = {}  # normalised subtask -> its first spelling and line
    fix = "set data.choice to your questions in MMT-Bench's schema, or to null"
    for line, record in tab_rows(path, _NEEDED, fix):
        where = f"{path}, line {line}, index {record['index']}"
        try:
            part, document = _choice(record, checker)
        except InputError as error:
            raise PoolError(f"{where}: {error}") from None
        if document["index"] in seen:
            raise PoolError(f"{where}: line {seen[document['index']]} already has this index; give every row its own")
        seen[document["index"]] = line
        for name in ("category", "l2-category"):
            text = document[name]
            first, before = spelling.setdefault((name, "".join(visible(text).casefold().split())), (text, line))
            if text != first:
                raise PoolError(
                    f"{where}: {name} is {shown(text)}, but {shown(first)} on line {before}: they count as two; spell "
                    "them the same"
                )
        meta, before = metas.setdefault(document["category"], (document["l2-category"], line))
        if meta != document["l2-category"]:
            raise PoolError(
                f"{where}: category {shown(document['category'])} has l2-category {shown(document['l2-category'])}, "
                f"but {shown(meta)} on line {before}; give each category one l2-category, or rename one of the "
                "categories"
            )
        name = record["image_path"] if given(record.get("image_path")) else "in base64"
        other, at = shown_in.setdefault(pixels_digest(document["image"]["bytes"]), (part, f"line {line} ({name})"))
        if other != part:
            raise PoolError(
                f"{where}: its image, {name}, is also used on {at}, but one row is in split VAL (target rows) and the "
                "other in TEST (scoring rows); put all questions on an image in one split"
            )
        parts[part].append(document)
    for split, part in _SPLITS.items():
        if not parts[part]:
            raise PoolError(
                f"{path}: no row of split {split}; both VAL (target rows) and TEST (scoring rows) are needed"
            )
    return parts


def _yesno(path: Path, checker: Checker) -> Iterator[dict]:
    check_file(path, "set data.yesno to your questions in POPE's schema, or to null")
    for number, record in json_values(path, lines=True):
        where = f"{path}, line {number}"
        if isinstance(record, Unusable):
            raise PoolError(f"{where}: {record.reason}")
        missing = [name for name in _POPE_NEEDED if not isinstance(record, dict) or not given(record.get(name))]
        if missing:
            raise PoolError(f"{where}: lacks {', '.join(missing)}; write {{question_id, image, text, label}}")
        where += f", question_id {record['question_id']}"
        if record["label"] not in ("yes", "no"):
            raise PoolError(f"{where}: label is {shown(record['label'])}; write yes or no")
        try:
            for name in ("image", "text"):
                if not isinstance(record[name], str):
                    fail(f"{name} is {shown(record[name])}; write a text")
            id_of(record["question_id"], "question_id")
            if isinstance(record.get("category"), bool | list | dict):
                fail(f"category is {shown(record['category'])}; write a text or a number")
            check_text(str(record.get("category")), "category")
            check_question(record, "text", [], (*_POPE_NEEDED, "category"))
            image = picture(record["image"], checker)
        except InputError as error:
            raise PoolError(f"{where}: {error}") from None
        name, category = str(record["question_id"]), record.get("category")
        yield {"id": name, "question_id": name, "question": record["text"], "answer": record["label"],
               "image_source": record["image"], "category": str(category) if given(category) else "own",
               "image": image}  # fmt: skip


def read_yesno(path: Path, checker: Checker, elsewhere: dict[str, list[dict]] | None = None) -> dict[str, list[dict]]:
    """The documents of pope.jsonl for `probe` (every second image, starting with the first) and `score`.

    An image that also occurs in `elsewhere` goes into the same part as there. Raises PoolError naming file, line and
    question id, value and fix.
    """
    documents = list(_yesno(path, checker))
    seen: set[str] = set()
    for document in documents:
        if document["id"] in seen:
            raise PoolError(f"{path}, question_id {document['id']}: occurs twice; give every question its own")
        seen.add(document["id"])
    pictures = [pixels_digest(document["image"]["bytes"]) for document in documents]
    place = {
        pixels_digest(document["image"]["bytes"]): part
        for part, others in (elsewhere or {}).items()
        for document in others
    }
    free = [picture for picture in dict.fromkeys(pictures) if picture not in place]
    place |= {picture: ("probe", "score")[i % 2] for i, picture in enumerate(free)}
    parts = {
        part: [document for document, picture in zip(documents, pictures, strict=True) if place[picture] == part]
        for part in ("probe", "score")
    }
    if not (parts["probe"] and parts["score"]):
        raise PoolError(
            f"{path}: {len(set(pictures))} image(s); at least two are needed, one for target rows and one for scoring "
            "rows, and data.choice must not use both in VAL or both in TEST"
        )
    return parts


def write_own(choice: Path | None, yesno: Path | None, checker: Checker, roots: dict[str, Path]) -> None:
    """Write your own questions into `roots["probe"]` and `roots["score"]` in the hub's layout.

    They replace MMT-Bench and all of POPE (task `pope`). No image is in both roots.
    """
    chosen = read_choice(choice, checker) if choice else {}
    for part, documents in chosen.items():
        write_split(roots[part] / MMT, "default", "val", documents, MMT_COLUMNS)  # mmt_val reads split `val`
        write_card(roots[part] / MMT, {"default": ["val"]})
    if yesno:
        for part, documents in read_yesno(yesno, checker, chosen).items():
            write_split(roots[part] / POPE, "default", "test", documents, POPE_COLUMNS)
            write_card(roots[part] / POPE, {"default": ["test"]})


def own_repositories(data: Data) -> set[str]:
    """Repositories that are built from your own questions."""
    return {repository for repository, name in ((MMT, data.choice), (POPE, data.yesno)) if name}
