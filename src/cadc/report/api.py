"""docs/api.md: the public functions and classes of the packages that a user may import, from their docstrings.

python -m cadc.report.api
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from cadc import artifacts
from cadc.compute.closure import SOURCE
from cadc.selectors.loading import METHODS

PAGE = Path("docs/api.md")
MADE_BY = "python -m cadc.report.api"
#: What may be imported, and is held to mypy's strict rules (pyproject.toml).
PACKAGES = ("selectors", "curation", "capabilities", "gradients", "artifacts", "config")
_LONGEST = 120  # characters of a class with the types of its fields; beyond it names alone are shown
INTRODUCTION = f"""<!-- Made by {MADE_BY} from the docstrings. -->

# Python interface

You can import these packages; all others are for the stages and may change without notice. This page shows the first
paragraph of each docstring; shapes, dtypes and errors are in the rest of it. A complete example is
[examples/walk_through.py](../examples/walk_through.py).

Import `cadc` before NumPy or torch: it sets the number of threads and the instruction set, which affect the last bits
of every result.
"""


def modules(package: str) -> list[Path]:
    """The files of a package, its own `__init__.py` first, without selection methods: these have pages of their own."""
    folder = SOURCE / "cadc" / package
    methods = {folder / f"{name}.py" for name in METHODS} if package == "selectors" else set()
    files = [path for path in sorted(folder.rglob("*.py")) if path not in methods]
    return sorted(files, key=lambda path: (path.parent, path.name != "__init__.py", path.name))


def first_paragraph(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> str:
    """The first paragraph of a docstring on one line; empty without one."""
    return " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())


def signature(node: ast.FunctionDef) -> str:
    """A function as it is called: `name(arguments) -> result`, without `self` and `cls`."""
    arguments = ast.unparse(node.args).removeprefix("self").removeprefix("cls").removeprefix(", ")
    return f"{node.name}({arguments})" + (f" -> {ast.unparse(node.returns)}" if node.returns else "")


def fields(node: ast.ClassDef) -> str:
    """A class as it is made, `Name(field: type, ...)`: by its own `__init__`, or by the fields that it declares."""
    own = {one.name: one for one in node.body if isinstance(one, ast.FunctionDef)}
    if "__init__" in own:
        return signature(own["__init__"]).replace("__init__", node.name, 1).removesuffix(" -> None")
    declared = [one for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)]
    shown = [ast.unparse(one).partition(" = ")[0] for one in declared if not ast.unparse(one).startswith("_")]
    text = f"{node.name}({', '.join(shown)})"
    return text if len(text) <= _LONGEST else f"{node.name}({', '.join(one.partition(':')[0] for one in shown)})"


def entries(tree: ast.Module) -> Iterator[str]:
    """A point for each public function and class of a module, and below a class one for each of its public methods."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield f"- `{signature(node)}`\n  {first_paragraph(node)}".rstrip()
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield f"- `{fields(node)}`\n  {first_paragraph(node)}".rstrip()
            for one in node.body:
                if isinstance(one, ast.FunctionDef) and not one.name.startswith("_"):
                    yield f"  - `{signature(one)}`\n    {first_paragraph(one)}".rstrip()


def page() -> str:
    """The text of docs/api.md."""
    parts = [INTRODUCTION.rstrip()]
    for package in PACKAGES:
        parts.append(f"## cadc.{package}")
        for path in modules(package):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
            listed = list(entries(tree))
            if name != f"cadc.{package}":
                parts += [f"### {name}"] if listed else []
            if listed or name == f"cadc.{package}":
                parts.append(first_paragraph(tree))
            if listed:
                parts.append("\n".join(listed))
        if package == "selectors":
            links = ", ".join(f"[{name}](methods/{name}.md)" for name in METHODS)
            parts.append(f"Each method is a module of its own, with `select(signal, n, params, rng)`: {links}.")
    return "\n\n".join(parts) + "\n"


def main() -> None:
    artifacts.write_text(PAGE, page())


if __name__ == "__main__":
    main()
