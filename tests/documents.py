"""What documents and code tell their reader, held to what there is: `faults`, `code_faults`."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import yaml
from commands import ASSIGNED, BLANK, CHECKS, OTHERS, changes, command_faults, make, option
from repository import FENCE, SETTINGS, keys, library, made, sources, stated, tracked

from cadc.compose.expand import requests
from cadc.compose.studies import Study, Table
from cadc.compute.closure import file_of
from cadc.config.errors import InputError

FILE = re.compile(r"\.(md|ya?ml|py|jsonl?|tsv|csv|parquet|lock|toml|txt|safetensors|png|bmp)$")
#: Documents that name a reader's files and fields by example.
BY_EXAMPLE = (Path("docs/data.md"), Path("docs/own_data.md"))


def path_faults(path: str, document: Path, folders: tuple[str, ...] = ("", "artifacts/", "src/cadc/")) -> Iterator[str]:
    """Of a path: it is there, or a stage makes it, or conf/data says that a reader brings it."""
    path = path.removeprefix("FOLDER/").rstrip("/")
    pattern = BLANK.sub("*", path)
    for place in (*folders, f"{document.parent}/"):
        if next(Path().glob(place + pattern), None) is not None:
            return
    inside = [f"{place}{path}" for place in folders for out in made()[1] if fnmatch(f"{place}{pattern}", f"{out}/*")]
    if any(fnmatch(out, place + pattern) for out in made()[1] for place in folders):
        return
    if inside and f'"{Path(path).name}"' in sources():
        return
    ignored = Path(".gitignore").read_text().split()
    named = path in stated() | models() or any(name.startswith(f"{path}/") for name in stated())
    if not (named or f"/{path}" in ignored):
        yield f"{document}: {path}: neither there nor made by a stage nor named in conf/"


@cache
def models() -> set[str]:
    """The models and towers of all profiles."""
    texts = [path.read_text() for path in Path("conf/profile").glob("*.yaml")]
    return {model for text in texts for model in re.findall(r"^  (?:path|tower): (\S+)", text, re.M)}


def set_faults(text: str) -> Iterator[str]:
    """Of what stands at `set` in a row of a study, `key: value` or `set: {...}`; alternatives are parted by |."""
    name, _, values = text.partition(": ")
    for value in values.split(" | "):
        given = yaml.safe_load(f"{name}: {value}")
        given = given["set"] if name == "set" else given if "." in name else {f"select.{name}": given[name]}
        errors = []
        for arm in (*library()["arms"], *library()["methods"]):
            try:
                row = {"arm": arm, "set": given}
                found = requests(library(), Table.model_validate({"title": "t", "rows": [row]}), "a document", "mine")
                paths = [request.variants["arms"].content.get("model", {}).get("watched") for request in found]
                lost = [f"DVC is to watch {path}, which is not there" for path in paths if path and not tracked(path)]
                if not lost:
                    break
                errors[:0] = lost
            except (InputError, ValueError) as error:
                errors.append(str(error))
        else:
            yield f"{text}: {errors[0]}"


def span_faults(span: str, document: Path) -> Iterator[str]:
    """Of what stands between backticks."""
    first = span.split()[0]
    if span in CHECKS:
        return  # a program's name, or a field's: `source`
    if first.startswith(("SET=", "PROFILE=", "DATA=")):
        yield from make(shlex.split(span))
    elif first in CHECKS or first == "time" or ASSIGNED.match(span):
        yield from command_faults(span)
    elif first == "-S":
        yield from in_some_setting([word for word in shlex.split(span) if word != "-S"])
    elif first.startswith("--"):
        yield from option(shlex.split(span))
    elif re.fullmatch(r"[a-z_.]+=\S+", span):
        yield from in_some_setting([span])
    elif "://" in span or "(" in span or re.match(r"[A-Z]\w*\.", span):
        return
    elif re.fullmatch(r"[A-Z]+(_[A-Z]+)+", span):
        if f'"{span}"' not in sources() and span not in OTHERS:
            yield f"{document}: {span}: no code reads it"
    elif ("/" in span or FILE.search(span)) and " " not in span:
        if document not in BY_EXAMPLE or span.split("/")[0] in ("artifacts", *(path.name for path in Path().iterdir())):
            yield from path_faults(span, document)
    elif re.match(r"(set|\w+\.[\w.]+): |\w+: .* \| ", span):
        yield from in_some_setting([span.replace(": ", "=")]) if span.split(":")[0] in keys() else set_faults(span)
    elif re.fullmatch(r"[a-z_]+(\.[A-Za-z_]+)+", span):
        pattern = BLANK.sub("*", span)
        if span.split(".")[0] != "signal" and not file_of(span) and not any(fnmatch(key, pattern) for key in keys()):
            yield f"{document}: {span}: no such parameter"
    elif " " in span and document not in BY_EXAMPLE and not re.fullmatch(r"\w+(, \w+)+|\w+: .*", span):
        yield f"{document}: {span}: neither a command nor anything else that a check knows"


def in_some_setting(words: list[str]) -> Iterator[str]:
    found = [list(changes([*setting, *words])) for setting in SETTINGS]
    yield from min(found, key=len)


def block_faults(kind: str, block: str, document: Path) -> Iterator[str]:
    """Of a fenced block: commands, a study, a listing of files, or what other tests run."""
    if kind == "mermaid":
        return  # tests/unit/test_readme.py
    if document.name == "add_a_method.md" or (document.name == "new_model.md" and kind == "yaml"):
        return  # tests/pipeline/test_studies.py and tests/unit/test_new_model.py run it word by word
    if document.parent.name == "method_notes" and kind == "text":
        return  # a formula
    if document.name == "own_data.md" and kind:
        return  # of other programs; tests/unit/test_export_formats.py runs it, or holds it to what is written
    if block.startswith("title:"):
        study = Study.model_validate(yaml.safe_load(block))
        for table in study.tables:
            try:
                requests(library(), table, str(document), "mine")
            except InputError as error:
                yield str(error)
    elif kind:
        yield f"{document}: no test runs this {kind}: {block.splitlines()[0]}"
    elif FILE.search(block.split()[0]) or block.split()[0].endswith("/"):
        for line in block.splitlines():
            names = [word.strip(";,") for word in line.split()]
            if not line.startswith(" ") and not (FILE.search(names[0]) or names[0].endswith("/")):
                yield f"{document}: {line}: no check knows the command {names[0]}"
            for name in names:
                if (FILE.search(name) and not name.startswith(".")) or name.endswith("/"):
                    yield from path_faults(name, document, ("", "conf/", "src/cadc/", "src/cadc/selectors/"))
    else:
        for line in filter(str.strip, block.replace("\\\n", " ").splitlines()):
            yield from command_faults(line)


def link_faults(target: str, document: Path) -> Iterator[str]:
    if target.startswith("http"):
        return
    name, _, anchor = target.partition("#")
    path = document.parent / name if name else document
    if not path.exists():
        yield f"{document}: no file {target}"
    elif anchor:
        heads = [
            re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-")
            for head in re.findall(r"^#+ (.*)", path.read_text(), re.M)
        ]
        if anchor not in heads:
            yield f"{document}: {path} has no heading {anchor}"


def faults(text: str, document: Path) -> list[str]:
    """What a reader of `text`, Markdown that stands at `document`, could not follow."""
    prose = FENCE.sub("", text)
    found = [fault for kind, block in FENCE.findall(text) for fault in block_faults(kind, block, document)]
    found += [
        fault
        for span in re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", prose)
        for fault in span_faults(" ".join(span.split()), document)
    ]
    return found + [
        fault for target in re.findall(r"\]\(([^)\s]+)\)", prose) for fault in link_faults(target, document)
    ]


def said(path: Path) -> Iterator[str]:
    """Every text of a Python file; what it puts into one is NAME."""
    inside = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            inside |= set(map(id, node.values))
            yield "".join(part.value if isinstance(part, ast.Constant) else "NAME" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


def typed(text: str) -> Iterator[str]:
    """The commands in a docstring, message or comment: between backticks, or on an indented line of their own."""
    start = rf"(?:[A-Z]+_\w+=\S|(?:{'|'.join(map(re.escape, CHECKS))})\s|-S )"
    for span in re.findall(rf"`({start}[^`]+)`", text):
        yield " ".join(span.split())
    yield from re.findall(
        r"^(?: {4,}|.*: (?=CADC_))((?:CADC_\w+=\S|(?:dvc|python|torchrun) ).+?)(?:  .*)?$", text, re.M
    )


def comments(path: Path) -> str:
    return "\n".join(re.findall(r"#+ (.*)", path.read_text()))


def code_faults(text: str, document: Path) -> list[str]:
    """What could not be followed of the commands in a docstring, message or comment."""
    return [fault for span in typed(text) for fault in span_faults(span, document)]
