"""docs/methods/NAME.md: a page for every method, out of its file, its default arm and its golden test.

python -m cadc.report.methods
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from cadc.compose.files import composed
from cadc.evaluation.aims import aims_at
from cadc.report.text import markdown
from cadc.selectors.loading import METHODS

PAGES, FILES, GOLDEN = Path("docs/methods"), Path("src/cadc/selectors"), Path("tests/golden")
STATED = (Path("conf/config.yaml"), Path("conf/methods.yaml"))
#: What makes an arm's signal, by its folder, and what that costs.
SIGNALS = {
    "pool": "the pool alone",
    "embeddings": "`embed`: one pass of a contrastive tower over every picture and text, and of a sentence encoder",
    "features": "`proxy`, then `features`: a forward pass a row and snapshot of the proxy",
    "contrasts": "`proxy`, `embed`, then `contrast`: a forward pass a row and snapshot of the proxy, and three more",
    "score_net": "`embed`, then `score_net`: a training run over the pool",
    "views": "`embed` and the base's own words: `views` describes every row",
    "matching": "`proxy`, `capture`, then `match`: the gradient of every row at every snapshot of the proxy",
    "capabilities": "`proxy`, `capture`, `attribute`, then `discover`: the gradient of every row at every snapshot",
}


def arms() -> dict[str, dict[str, Any]]:
    """The default arm of every method, as conf/ composes it."""
    library = OmegaConf.to_container(composed([], name="library"))
    own = {arm["method"]: arm for arm in library["arms"].values()}
    return {name: library["methods"].get(name) or own[name] for name in METHODS}


def comments(name: str) -> dict[str, str]:
    """What conf/ says of each parameter of a method, by key."""
    found: dict[str, str] = {}
    for path in STATED:
        block = re.search(rf"^  {name}:.*\n((?:    .*\n|\n)*)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for line in block[1].splitlines() if block else ():
            if told := re.match(r"^\s+(\w+):[^#]*#\s*(.*)$", line):
                found[told[1]] = told[2]
    return found


def docstrings(path: Path) -> dict[str, str]:
    """The docstrings of a file: its own as "", and those of its functions and classes by name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return {"": ast.get_docstring(tree) or ""} | {node.name: ast.get_docstring(node) or "" for node in named}


def page(name: str, arm: dict[str, Any]) -> str:
    """The page of one method."""
    path, told = FILES / f"{name}.py", comments(name)
    said = docstrings(path)
    title, _, body = said[""].partition("\n\n")
    signal, golden = arm["signal"].partition("/")[0], GOLDEN / f"test_{name}.py"
    parts = [f"# {name}", title, *([body] if body else [])]
    for part, heading in (("measure", "What it reads"), ("select", "What it chooses"), ("scores", "What it ranks by")):
        if said.get(part):
            parts += [f"## {heading}", said[part]]
    parts += ["## What it needs", f"Signal `{arm['signal']}`. Made by {SIGNALS[signal]}."]
    if arm["select"]:
        rows = [
            [
                f"`{key}`",
                f"`{yaml.safe_dump(value, default_flow_style=True).splitlines()[0]}`",
                told.get(key, "").replace("|", "\\|"),
            ]
            for key, value in arm["select"].items()
        ]
        parts += ["## Parameters", said["Params"], markdown(["`select`", "default", "source"], rows).rstrip()]
    parts.append("## Against its authors' code")
    if golden.exists():
        parts.append(f"{docstrings(golden)['']}\n\nHeld by [{golden.name}](../../{golden.as_posix()}).")
    else:
        parts.append("Nothing of its authors' is compared.")
    target = " --target target.json" if aims_at(arm["signal"]) else ""
    data = "train.json --images images --model smolvlm-256m"
    command = f"cadc curate {data} --method {name} --budget 10%{target} --out chosen.json"
    parts += ["## Run it", f"```\n{command}\n```", f"Code: [{path.as_posix()}](../../{path.as_posix()})."]
    return "\n\n".join(parts) + "\n"


def pages() -> dict[Path, str]:
    """Every page by its path, and the list of them."""
    stated = arms()
    made = {PAGES / f"{name}.md": page(name, stated[name]) for name in METHODS}
    lines = [
        [f"[{name}]({name}.md)", docstrings(FILES / f"{name}.py")[""].split("\n\n")[0].replace("\n", " ")]
        for name in METHODS
    ]
    return made | {PAGES / "README.md": "# Methods\n\n" + markdown(["method", "what it is"], lines)}


def main() -> None:
    made = pages()
    for path in set(PAGES.glob("*.md")) - made.keys():
        path.unlink()
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
