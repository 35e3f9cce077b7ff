"""docs/methods/NAME.md: a page for every method, from its file, its default arm, its golden test, its committed results
and the text in docs/method_notes/NAME.md, which is written by hand.

python -m cadc.report.methods
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from cadc import artifacts
from cadc.compose.files import composed
from cadc.config.errors import InputError
from cadc.evaluation.aims import aims_at
from cadc.report import age, results
from cadc.report.text import markdown
from cadc.selectors.loading import METHODS

PAGES, FILES, GOLDEN = Path("docs/methods"), Path("src/cadc/selectors"), Path("tests/golden")
#: Written by hand: one file per method, in a folder next to the pages, so that relative links work in both.
NOTES = Path("docs/method_notes")
#: The sections of each of them, in this order.
SECTIONS = ("Formula", "Cost", "Known failures", "Paper and released code")
MADE_BY = "python -m cadc.report.methods"
STATED = (Path("conf/config.yaml"), Path("conf/methods.yaml"))
#: The stages that compute a signal, by its folder, and what they cost.
SIGNALS = {
    "pool": "the pool alone",
    "embeddings": "`embed`: one pass of a contrastive tower over every image and text, and of a sentence encoder",
    "features": "`proxy`, then `features`: one forward pass per row and snapshot of the proxy",
    "contrasts": "`proxy`, `embed`, then `contrast`: a forward pass per row and snapshot of the proxy, and three more",
    "score_net": "`embed`, then `score_net`: a training run over the pool",
    "views": "`embed`, then `views`: sentence embeddings of the skills that each question needs",
    "matching": "`proxy`, `capture`, then `match`: the gradient of every row at every snapshot of the proxy",
    "capabilities": "`proxy`, `capture`, `attribute`, then `discover`: the gradient of every row at every snapshot",
}

#: The same in a few words, for README.
NEEDS = {
    "pool": "nothing",
    "embeddings": "embeddings",
    "features": "forward passes of a proxy",
    "contrasts": "forward passes with and without the image",
    "score_net": "a training run over the pool",
    "views": "embeddings; a target",
    "matching": "gradients of every row; a target",
    "capabilities": "gradients of every row; a target",
}


def arms() -> dict[str, dict[str, Any]]:
    """The default arm of every method, as conf/ composes it."""
    library = OmegaConf.to_container(composed([], name="library"))
    own = {arm["method"]: arm for arm in library["arms"].values()}
    return {name: library["methods"].get(name) or own[name] for name in METHODS}


def comments(name: str) -> dict[str, str]:
    """The comment in conf/ on each parameter of a method, by key."""
    found: dict[str, str] = {}
    for path in STATED:
        block = re.search(rf"^  {name}:.*\n((?:    .*\n|\n)*)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for line in block[1].splitlines() if block else ():
            if told := re.match(r"^\s+(?:select: \{)?(\w+):[^#]*#\s*(.*)$", line):
                found[told[1]] = told[2]
    return found


def docstrings(path: Path) -> dict[str, str]:
    """The docstrings of a file: its own as "", and those of its functions and classes by name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return {"": ast.get_docstring(tree) or ""} | {node.name: ast.get_docstring(node) or "" for node in named}


def notes(name: str) -> dict[str, str]:
    """The sections of a method that are written by hand, in the order of `SECTIONS`.

    Raises InputError where their file is missing, has other sections or another order, or has one without a text.
    """
    path, expected = NOTES / f"{name}.md", ", ".join(f"## {section}" for section in SECTIONS)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; write it, with the sections {expected}") from None
    before, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    found = {heading: body.strip() for heading, _, body in (part.partition("\n") for part in parts)}
    if before.strip():
        raise InputError(f"{path}: {before.split()[0]!r} comes before the first section; begin with ## {SECTIONS[0]}")
    if [part.partition("\n")[0] for part in parts] != list(SECTIONS):
        raise InputError(f"{path}: its sections are {', '.join(f'## {s}' for s in found) or 'none'}; write {expected}")
    if empty := [section for section, body in found.items() if not body]:
        raise InputError(f"{path}: the section ## {empty[0]} is empty; write it, even if there is nothing to report")
    return found


def refuse_strays() -> None:
    """Raise InputError where a file of `NOTES` belongs to no method."""
    if strays := sorted(path.name for path in NOTES.iterdir() if path.name not in {f"{name}.md" for name in METHODS}):
        raise InputError(f"{NOTES / strays[0]}: no method has this name; rename it to one of {', '.join(METHODS)}")


def parameters(said: str, arm: dict[str, Any], told: dict[str, str]) -> list[str]:
    """The section on an arm's `select`, if it has any parameter."""
    if not arm["select"]:
        return []
    rows = [
        [
            f"`{key}`",
            f"`{yaml.safe_dump(value, default_flow_style=True).splitlines()[0]}`",
            told.get(key, "").replace("|", "\\|"),
        ]
        for key, value in arm["select"].items()
    ]
    return ["## Parameters", said, table(["`select`", "default", "source"], rows)]


def table(header: list[str], body: list[list[str]]) -> str:
    """A table of texts: all columns to the left."""
    return markdown(header, body).replace("--:", ":--").rstrip()


def made_at(budget: str, name: str) -> list[list[str]]:
    """What the ranked table at a budget says of a method's arms and of random rows: a header, then a line per measure.
    Empty where the table has no such arm."""
    arms, path = results.ranked(budget), results.RANKED[budget]
    own = [label for label in arms if label == name or label.startswith(f"{name}, ")]
    if not own:
        return []
    shown = own if name == results.BASELINE else [*own, results.BASELINE]
    chosen, sources = (
        [results.lines(path, column).get(f"{label}, {budget}", {}) for label in shown]
        for column in ("clusters covered %", "selection, % of its rows")
    )
    most = [max(cells, key=lambda source: float(cells[source]), default="") for cells in sources]
    differences = [["minus random rows (95%)", *(arms[label]["difference (95%)"] for label in shown)]]
    return [
        [f"at {budget}", *shown],
        ["Rel. %", *(arms[label]["Rel. %"].split()[0] for label in shown)],
        ["its 95% interval", *(arms[label]["Rel. %, 95%"] for label in shown)],
        *(differences if shown != [results.BASELINE] else []),
        *([measure, *(cells.get(measure, "") for cells in chosen)] for measure in chosen[-1]),
        ["largest source", *(f"{name} {cells[name]}%" for name, cells in zip(most, sources, strict=True) if name)],
    ]


def results_of(name: str) -> list[str]:
    """The section on a method's committed results on the generated world; empty where there are none."""
    made = [made_at(budget, name) for budget, path in results.RANKED.items() if path.exists()]
    parts = [markdown(each[0], each[1:]).rstrip() for each in made if each]
    said = (
        "Scores and what was selected, mean over seeds ([terms](../concepts.md), [ranking](../../README.md#results))."
    )
    return ["## On the generated world", said + age.older(results.RANKED).rstrip(), *parts] if parts else []


def page(name: str, arm: dict[str, Any]) -> str:
    """The page of one method. Raises InputError as `notes` does."""
    path, by_hand = FILES / f"{name}.py", notes(name)
    said = docstrings(path)
    title, _, body = said[""].partition("\n\n")
    signal, golden = arm["signal"].partition("/")[0], GOLDEN / f"test_{name}.py"
    head = f"<!-- Made by {MADE_BY}. Written by hand, in {NOTES}/{name}.md: {', '.join(SECTIONS)}. -->"
    parts = [head, f"# {name}", title, *([body] if body else []), "## Formula", by_hand["Formula"]]
    for part, heading in (("measure", "What it reads"), ("select", "What it chooses"), ("scores", "What it ranks by")):
        if said.get(part):
            parts += [f"## {heading}", said[part]]
    parts += ["## What it needs", f"Signal `{arm['signal']}`: {SIGNALS[signal]}."]
    parts += ["## Cost", by_hand["Cost"], *parameters(said["Params"], arm, comments(name))]
    parts += ["## Paper and released code", by_hand["Paper and released code"], "## Against its authors' code"]
    if golden.exists():
        parts.append(f"{docstrings(golden)['']}\n\nTested by [{golden.name}](../../{golden.as_posix()}).")
    else:
        parts.append("There is no golden test of this method.")
    target = " --target target.json" if aims_at(arm["signal"]) else ""
    data = "train.json --images images --model smolvlm-256m"
    command = (
        f"cadc curate {data} --method {name} --budget {'100%' if name == 'full' else '10%'}{target} --out chosen.json"
    )
    parts += ["## Known failures", by_hand["Known failures"], *results_of(name), "## Run it", f"```\n{command}\n```"]
    return "\n\n".join([*parts, f"Code: [{path.as_posix()}](../../{path.as_posix()})."]) + "\n"


def index() -> str:
    """The list of all pages."""
    lines = [
        [f"[{name}]({name}.md)", docstrings(FILES / f"{name}.py")[""].split("\n\n")[0].replace("\n", " ")]
        for name in METHODS
    ]
    told = (
        f"Made by `{MADE_BY}` from each method's file, its default arm in [conf](../../conf) and its golden test. "
        "Edit none of these pages by hand. "
        f"*{'*, *'.join(SECTIONS[:-1])}* and *{SECTIONS[-1]}* are written by hand, in "
        f"[{NOTES}](../{NOTES.name})."
    )
    return f"# Methods\n\n{told}\n\n{table(['method', 'what it is'], lines)}\n"


def overview() -> str:
    """README's table of methods: what each needs, its paper, and the test that compares it with its authors' output."""
    body = []
    for name, arm in arms().items():
        golden = GOLDEN / f"test_{name}.py"
        paper = re.search(r"\[[^]]+\]\(https?://\S+\)", notes(name)["Paper and released code"])
        test = f"[test]({golden.as_posix()})" if golden.exists() else ""
        needs = NEEDS[arm["signal"].partition("/")[0]]
        body.append([f"[{name}]({PAGES.as_posix()}/{name}.md)", needs, paper[0] if paper else "", test])
    return table(["method", "needs", "paper", "compared with its authors' output"], body) + "\n"


def pages() -> dict[Path, str]:
    """Every page by its path, and the list of them. Raises InputError where a method has no notes, or notes none."""
    refuse_strays()
    stated = arms()
    return {PAGES / f"{name}.md": page(name, stated[name]) for name in METHODS} | {PAGES / "README.md": index()}


def main() -> None:
    try:
        made = pages()
    except InputError as error:
        raise SystemExit(f"methods: {error}") from None
    for path in set(PAGES.glob("*.md")) - made.keys():
        path.unlink()
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        artifacts.write_text(path, text)


if __name__ == "__main__":
    main()
