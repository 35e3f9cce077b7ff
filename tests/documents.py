"""What documents, docstrings, comments and messages ask a reader to type, held to what there is: `faults`.

Commands go through the real parsers (DVC, Hugging Face, torchrun, accelerate) and their parameters through Hydra, as
`dvc exp run` composes them; targets, paths and names are compared with what the repository has or makes. A command that
no check below knows is a fault: give it a check in `CHECKS`.
"""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stdout
from fnmatch import fnmatch
from functools import cache
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import yaml
from omegaconf import OmegaConf

from cadc.compose.expand import requests
from cadc.compose.files import composed
from cadc.compose.studies import Study, Table, slug
from cadc.config.errors import InputError
from cadc.config.params import checked, read
from cadc.evaluation.catalogue import check_names

DOCUMENTS = (Path("README.md"), *sorted(Path("docs").glob("*.md")), Path("models/README.md"), Path("data/README.md"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
FILE = re.compile(r"\.(md|ya?ml|py|jsonl?|tsv|csv|parquet|lock|toml|safetensors|png)$")
#: What a reader fills in.
BLANK = re.compile(r"\b[A-Z][A-Z_]*\b|\.\.\.")
ASSIGNED = re.compile(r"[A-Z][A-Z_]+=")
#: Where a folder of the reader's own lies.
OWN = ("/", "data/", "FOLDER")
#: Compositions in which a change that is named alone may stand.
SETTINGS = ((), ("data=folder", "data.path=FOLDER"), ("profile=llava-1.5-7b", "data=llava-665k"))


# What there is


@cache
def params_of(*overrides: str) -> dict:
    """What `-S` with these composes, checked as stages check it. Raises InputError."""
    raw = OmegaConf.to_container(composed(list(overrides)))
    params = checked(raw, "conf")
    check_names(params.evaluate.tasks, params.evaluate.judge.url is not None)
    return raw


@cache
def library() -> dict:
    """Everything that conf/library.yaml composes."""
    return OmegaConf.to_container(composed([], name="library"))


def pipelines() -> Iterator[tuple[str, dict, dict]]:
    """Each dvc.yaml there is: its path, its stages and its variables."""
    root = read("params.yaml")
    for path in (Path("dvc.yaml"), *sorted(Path("pipelines").glob("*/dvc.yaml"))):
        own = path.with_name("params.json")
        yield str(path), yaml.safe_load(path.read_text())["stages"], root | (read(own) if own.exists() else {})


def examples() -> Iterator[Study]:
    """The studies that documents show."""
    for _, block in (found for path in DOCUMENTS for found in FENCE.findall(path.read_text())):
        if block.startswith("title:"):
            yield Study.model_validate(yaml.safe_load(block))


@cache
def made() -> tuple[set[str], set[str]]:
    """All that `dvc repro` takes as a target, and all outputs; with those of the example, conf/studies/mine.yaml."""
    targets = {"pipelines/mine/dvc.yaml"}
    outs = {f"reports/tables/mine/{slug(table.title)}.md" for study in examples() for table in study.tables} | {
        "conf/studies/mine.yaml",
        "pipelines/mine",
        "src/cadc/selectors/plain_words.py",
    }
    for path, stages, variables in pipelines():
        above = "" if path == "dvc.yaml" else f"{path}:"
        targets.add(path)
        for name, stage in stages.items():
            do, keys = stage.get("do", stage), stage.get("foreach", [""])
            if isinstance(keys, str):
                keys = variables.get(keys.strip("${}"), [])
            targets |= {f"{above}{name}", *(f"{above}{name}@{key}" for key in keys if "foreach" in stage)}
            for out in (*do.get("outs", []), *do.get("metrics", []), *do.get("plots", [])):
                out = out if isinstance(out, str) else next(iter(out))
                outs |= {re.sub(r"\$\{(key|item)\}", str(key), out) for key in keys}
    return targets, outs


@cache
def keys() -> set[str]:
    """Dotted keys of all parameters, those of arms without the arm's name, too."""

    def leaves(section: dict, above: str = "") -> Iterator[str]:
        for key, value in section.items():
            yield above + str(key)
            if isinstance(value, dict):
                yield from leaves(value, f"{above}{key}.")

    found = {key for setting in SETTINGS for key in leaves(params_of(*setting))}
    arms = (*library()["arms"].values(), *library()["methods"].values(), *library()["discoveries"].values())
    return found | {key for arm in arms for key in leaves(arm)} | {"tuned.path", "tuned.watched"}


@cache
def stated() -> set[str]:
    """Every text that conf/data states, alone and below data.path: what a reader's own files are called."""
    found = set()
    for path in Path("conf/data").glob("*.yaml"):
        data = yaml.safe_load(path.read_text()).get("data", {})
        names = (
            [value for value in data.values() if isinstance(value, str)] + [*data.get("expected", {})["images"]]
            if data
            else []
        )
        found |= {*names, *(f"{data.get('path')}/{name}" for name in names)}
    return found


@cache
def sources() -> str:
    return "\n".join(
        path.read_text() for folder in ("src", "stages", "benchmarks") for path in Path(folder).rglob("*.py")
    )


@cache
def tracked(path: str) -> bool:
    asked = ["git", "ls-files", "--", path]
    return not path.startswith("/") and bool(subprocess.run(asked, capture_output=True, check=True).stdout)


# Commands: each check gives faults of the words behind the program's name


def changes(words: list[str], queue: bool = False) -> Iterator[str]:
    """Of parameters as `-S` takes them, several values each where they are queued."""
    from dvc.utils.hydra import get_hydra_sweeps

    words = [word for word in words if word != "section.key=value" and not re.fullmatch(r"(profile|data)=NAME", word)]
    try:
        for sweep in get_hydra_sweeps({"params.yaml": words}) if queue else [{"params.yaml": words}]:
            params = params_of(*sweep["params.yaml"])
            watched = [params[section]["watched"] for section in ("data", "model", "embed")]
            for path in watched:
                if not (tracked(path) or path.startswith(OWN)):
                    yield f"{' '.join(words)}: DVC is to watch {path}, which is not there"
            own = [*watched, *(params["data"][name] for name in ("path", "probe", "score")), params["model"]["path"]]
            for path in own if queue else []:
                if path and not (path.startswith("/") or tracked(path) or is_hub_id(path)):
                    yield f"{' '.join(words)}: a queued experiment does not see {path}"
    except InputError as error:
        yield f"{' '.join(words)}: {error}"


def is_hub_id(path: str) -> bool:
    return bool(re.fullmatch(r"[\w-]+/[\w.-]+", path)) and not Path(path.split("/")[0]).exists()


def make(words: list[str]) -> Iterator[str]:
    text = Path("Makefile").read_text()
    for word in words:
        name, given, value = word.partition("=")
        if not given and not re.search(rf"^{re.escape(word)}:", text, re.M):
            yield f"make {word}: no such target"
        if given and f"$({name})" not in text:
            yield f"make {word}: no such variable"
    given = {name: value for name, is_set, value in (word.partition("=") for word in words) if is_set}
    asked = [f"{key}={given[name]}" for key, name in (("profile", "PROFILE"), ("data", "DATA")) if name in given]
    yield from changes([*asked, *given.get("SET", "").split()]) if given else ()


def dvc(words: list[str]) -> Iterator[str]:
    from dvc.cli import DvcParserError
    from dvc.cli.parser import get_main_parser

    try:
        with redirect_stdout(StringIO()):  # it prints its help
            asked = get_main_parser().parse_args(words[:-1] if words[-1] == "-S" else words)
    except (DvcParserError, SystemExit):
        yield f"dvc {' '.join(words)}: DVC does not take it"
        return
    targets, outs = made()
    for target in getattr(asked, "targets", None) or []:
        takes_outs = words[0] in ("pull", "push", "checkout")
        is_folder = getattr(asked, "recursive", False) and any(Path(target).glob("**/dvc.yaml"))
        if not is_folder and not any(
            fnmatch(one, BLANK.sub("*", target)) for one in (targets | outs if takes_outs else targets)
        ):
            yield f"dvc {' '.join(words)}: no target {target}"
    yield from changes(getattr(asked, "set_param", None) or [], getattr(asked, "queue", False))
    scheme, is_url, _ = (getattr(asked, "url", None) or "").partition("://")
    if is_url and not find_spec(f"dvc_{scheme}"):
        yield f"dvc {' '.join(words)}: the package for {scheme}:// is not installed"


def python(words: list[str]) -> Iterator[str]:
    module, path = (words[1], None) if words[0] == "-m" else (None, Path(BLANK.sub("*", words[0])))
    if module is not None:
        path = Path("src", *module.split("."))
        path = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    there = [one for one in Path().glob(str(path)) if '__name__ == "__main__"' in one.read_text()]
    if not there:
        yield f"python {' '.join(words)}: nothing to run at {path}"
        return
    rest = words[2 if module else 1 :]
    for option in (word for word in rest if word.startswith("--")):
        if f'"{option}"' not in there[0].read_text():
            yield f"python {' '.join(words)}: {path} has no option {option}"
    if module in ("cadc.compose", "cadc.doctor"):
        yield from changes([word for word in rest if "=" in word and not word.startswith("[")])


def hf(words: list[str]) -> Iterator[str]:
    import click
    from huggingface_hub.cli.hf import app

    if words[0] not in app.commands:
        yield f"hf {words[0]}: no such command"
    elif len(words) > 1:
        try:
            name, command, rest = app.resolve_command(click.Context(app), list(words))
            command.make_context(name, rest)
        except click.ClickException as error:
            yield f"hf {' '.join(words)}: {error.format_message()}"


def ranks(words: list[str]) -> Iterator[str]:
    """Of torchrun."""
    from torch.distributed.run import get_args_parser

    if words:
        yield from _launched("torchrun", get_args_parser(), words)


def accelerate(words: list[str]) -> Iterator[str]:
    from accelerate.commands.launch import launch_command_parser

    if words[:1] != ["launch"]:
        yield f"accelerate {' '.join(words)}: no such command"
    elif words[1:]:
        yield from _launched("accelerate", launch_command_parser(), words[1:])


def _launched(name: str, parser, words: list[str]) -> Iterator[str]:
    try:
        asked = parser.parse_args(words if words[-1].endswith(".py") else [*words, "stages/finetune.py"])
    except SystemExit:
        yield f"{name} {' '.join(words)}: it does not take this"
        return
    for path in (asked.training_script, getattr(asked, "config_file", None)):
        if path and not Path(path).exists():
            yield f"{name} {' '.join(words)}: no file {path}"


def git(words: list[str]) -> Iterator[str]:
    known = subprocess.run(["git", "--list-cmds=main"], capture_output=True, text=True, check=True).stdout.split()
    if words[0] not in (*known, "lfs"):  # Git LFS is a package of its own
        yield f"git {words[0]}: no such command"


def uv(words: list[str]) -> Iterator[str]:
    if words[:2] != ["pip", "install"] or len(words) < 3:
        yield f"uv {' '.join(words)}: only `pip install PACKAGE` is known here"


def source(words: list[str]) -> Iterator[str]:
    if words != [".venv/bin/activate"]:
        yield f"source {' '.join(words)}: make sets up .venv/bin/activate alone"


def nothing(words: list[str]) -> Iterator[str]:
    """Of a command in which nothing is ours."""
    yield from ()


CHECKS = {
    "make": make, "dvc": dvc, "python": python, "hf": hf, "torchrun": ranks, "accelerate": accelerate, "git": git, ".uv/bin/uv": uv,
    "source": source, "cd": nothing, "tar": nothing,
}  # fmt: skip


def assigned(word: str) -> Iterator[str]:
    """Of `NAME=value` before a command."""
    name, _, value = word.partition("=")
    if f'"{name}"' not in sources():
        yield f"{word}: no code reads {name}"
    launcher = value.split() if name == "CADC_LAUNCHER" else []
    if launcher and launcher[0] in ("torchrun", "accelerate"):
        yield from CHECKS[launcher[0]](launcher[1:])
    elif launcher and launcher not in (["processes"], ["ray"]) and value != "...":
        yield f"{word}: launch.py knows no such launcher"


def command_faults(line: str) -> Iterator[str]:
    """Of a line that a reader types."""
    words = shlex.split(line, comments=True)
    for part in " ".join(map(shlex.quote, words)).replace("'|'", "'&&'").split(" '&&' "):
        one = shlex.split(part)
        while one and (ASSIGNED.match(one[0]) or one[0] == "time"):
            yield from assigned(one[0]) if one[0] != "time" else ()
            one = one[1:]
        if one and one[0] not in CHECKS:
            yield f"{line}: no check knows the command {one[0]}"
        elif one:
            yield from CHECKS[one[0]](one[1:])


# Documents


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
    ignored = f"/{path}" in Path(".gitignore").read_text().split()
    if not (path in stated() or ignored or any(name.startswith(f"{path}/") for name in stated()) or is_hub_model(path)):
        yield f"{document}: {path}: neither there nor made by a stage nor named in conf/"


@cache
def hub_models() -> set[str]:
    return set(
        re.findall(
            r"^  (?:path|tower): (\S+/\S+)", "\n".join(p.read_text() for p in Path("conf/profile").glob("*")), re.M
        )
    )


def is_hub_model(path: str) -> bool:
    return path in hub_models()


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
    if (
        first in CHECKS
        or first == "time"
        or (ASSIGNED.match(span) and first.partition("=")[0] not in ("SET", "PROFILE", "DATA"))
    ):
        yield from command_faults(span)
    elif ASSIGNED.match(span):
        yield from make(shlex.split(span))
    elif first == "-S":
        yield from in_some_setting([word for word in shlex.split(span) if word != "-S"])
    elif first.startswith("--"):
        if (
            first
            not in subprocess.run(["dvc", "exp", "run", "--help"], capture_output=True, text=True, check=True).stdout
        ):
            yield f"{document}: {span}: no option of `dvc exp run`"
    elif re.fullmatch(r"[a-z_.]+=\S+", span):
        yield from in_some_setting([span])
    elif "://" in span or "(" in span or re.match(r"[A-Z]\w*\.", span):
        return
    elif re.fullmatch(r"[A-Z]+(_[A-Z]+)+", span):
        if f'"{span}"' not in sources():
            yield f"{document}: {span}: no code reads it"
    elif ("/" in span or FILE.search(span)) and " " not in span:
        yield from path_faults(span, document)
    elif re.match(r"[a-z_.]+: ", span):
        yield from set_faults(span)
    elif re.fullmatch(r"[a-z_]+(\.[A-Za-z_]+)+", span):
        pattern = BLANK.sub("*", span)
        if span.split(".")[0] != "signal" and not any(fnmatch(key, pattern) for key in keys()):
            yield f"{document}: {span}: no such parameter"
    elif " " in span and not re.fullmatch(r"\w+(, \w+)+", span):
        yield f"{document}: {span}: neither a command nor anything else that a check knows"


def in_some_setting(words: list[str]) -> Iterator[str]:
    found = [list(changes([*setting, *words])) for setting in SETTINGS]
    yield from min(found, key=len)


def block_faults(kind: str, block: str, document: Path) -> Iterator[str]:
    """Of a fenced block: commands, a study, a listing of files, or what other tests run."""
    if kind == "mermaid" and document.name == "README.md":
        return  # tests/unit/test_readme.py
    if document.name == "add_a_method.md":
        return  # tests/pipeline/test_studies.py runs it word by word
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


# Code


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
