"""Commands that a reader is told to type, held to what there is: `command_faults`.

Commands go through the real parsers (DVC, Hugging Face, torchrun, accelerate) and their parameters through Hydra, as
`dvc exp run` composes them; targets, paths and names are compared with what the repository has or makes. A command that
no check below knows is a fault: give it a check in `CHECKS`.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stdout
from fnmatch import fnmatch
from importlib.util import find_spec
from io import StringIO
from itertools import groupby
from pathlib import Path

from repository import made, params_of, sources, tracked

from cadc.config.errors import InputError

#: What a reader fills in.
BLANK = re.compile(r"\b[A-Z][A-Z_]*\b|\.\.\.")
ASSIGNED = re.compile(r"[A-Z][A-Z_]+=")
#: Where a folder of the reader's own lies, and what `make smollm2` makes.
OWN = ("/", "data/", "FOLDER", "models/smollm2-135m")

#: Variables that PyTorch and Hugging Face read.
OTHERS = ("CUDA_VISIBLE_DEVICES", "HF_HOME")

# A check gives the faults of the words behind its command's name.


def changes(words: list[str], queue: bool = False) -> Iterator[str]:
    """Of parameters as `-S` takes them, several values each where they are queued."""
    from dvc.utils.hydra import get_hydra_sweeps

    words = [word for word in words if word != "section.key=value" and not re.fullmatch(r"(profile|data)=NAME", word)]
    if "profile=mine" in words:  # which the reader of docs/new_model.md has written
        words = ["profile=own", "model.path=FOLDER", *(word for word in words if word != "profile=mine")]
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
        name, given, _value = word.partition("=")
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


def sbatch(words: list[str]) -> Iterator[str]:
    if len(words) != 1 or not Path(words[0]).is_file():  # tests/pipeline/test_clusters.py runs it
        yield f"sbatch {' '.join(words)}: no such script"


def cadc(words: list[str]) -> Iterator[str]:
    """By its own parser: a command and its options, one of each alone among them; files are the reader's."""
    from cadc.cli.__main__ import parser

    if not words:
        return
    commands = _options()
    if words[0] not in commands:
        yield f"cadc {words[0]}: no such command"
    elif words[0] == "doctor":
        yield from changes(words[1:])
    elif lost := [word for word in words[1:] if word.startswith("--") and word not in commands[words[0]]]:
        yield f"cadc {' '.join(words)}: no option {lost[0]}"
    elif len(words) > 2 or (len(words) == 2 and not words[1].startswith("--")):  # not only named
        try:
            asked = parser().parse_args(words)
        except SystemExit:
            yield f"cadc {' '.join(words)}: it does not take this"
            return
        if asked.command == "curate" and not Path(f"src/cadc/selectors/{asked.method}.py").is_file():
            yield f"cadc {' '.join(words)}: no method {asked.method}"


def _options() -> dict[str, set[str]]:
    """The options of each command of `cadc`."""
    from cadc.cli.__main__ import parser

    (commands,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    return {name: {*own._option_string_actions} for name, own in commands.choices.items()}


def option(words: list[str]) -> Iterator[str]:
    """Of an option named without its command: one of `cadc`'s or of `dvc exp run`'s."""
    if not any(words[0] in options for options in _options().values()):
        yield from dvc(["exp", "run", *words, *(["data"] if words == ["--copy-paths"] else [])])


def pytest(words: list[str]) -> Iterator[str]:
    for path in words:
        if not Path(path).exists():
            yield f"pytest {' '.join(words)}: no file {path}"


def nothing(words: list[str]) -> Iterator[str]:
    """Of a command in which nothing is ours."""
    yield from ()


CHECKS = {
    "make": make,
    "dvc": dvc,
    "python": python,
    "hf": hf,
    "torchrun": ranks,
    "accelerate": accelerate,
    "git": git,
    ".uv/bin/uv": uv,
    "source": source,
    "sbatch": sbatch,
    "cadc": cadc,
    "pytest": pytest,
    "pre-commit": nothing,
    "ruff": nothing,
    "mypy": nothing,
    "cd": nothing,
    "tar": nothing,
}


def assigned(word: str) -> Iterator[str]:
    """Of `NAME=value` before a command."""
    name, _, value = word.partition("=")
    if f'"{name}"' not in sources() and name not in OTHERS:
        yield f"{word}: no code reads {name}"
    launcher = value.split() if name == "CADC_LAUNCHER" else []
    if launcher and launcher[0] in ("torchrun", "accelerate"):
        yield from CHECKS[launcher[0]](launcher[1:])
    elif launcher and launcher not in (["processes"], ["ray"]) and value != "...":
        yield f"{word}: launch.py knows no such launcher"


def command_faults(line: str) -> Iterator[str]:
    """Of a line that a reader types."""
    for joins, group in groupby(shlex.split(line, comments=True), ("&&", "|").__contains__):
        words = [] if joins else list(group)
        while words and (ASSIGNED.match(words[0]) or words[0] == "time"):
            first, *words = words
            yield from assigned(first) if first != "time" else ()
        if words and words[0] not in CHECKS:
            yield f"{line}: no check knows the command {words[0]}"
        elif words:
            yield from CHECKS[words[0]](words[1:])
