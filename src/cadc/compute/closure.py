"""What a file of this repository imports of it, directly or not: a stage's own code, by which its results are known.

`dvc.yaml` lists these files as a stage's dependencies (a test compares), and shards made by other code are not taken
up.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]  # src/


def file_of(module: str) -> Path | None:
    """The file of a module of the package by its dotted name; None where there is none."""
    path = SOURCE / Path(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def imports(path: Path) -> frozenset[Path]:
    """The package's files that `path` imports, in functions too but not for type checkers alone, with the packages
    they lie in."""
    names: set[str] = set()

    class Visitor(ast.NodeVisitor):
        def visit_If(self, node: ast.If) -> None:
            for part in node.orelse if ast.unparse(node.test) == "TYPE_CHECKING" else [*node.body, *node.orelse]:
                self.visit(part)

        def visit_Import(self, node: ast.Import) -> None:
            names.update(alias.name for alias in node.names)

        def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
            if node.module:
                names.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])

    Visitor().visit(ast.parse(path.read_text(encoding="utf-8")))
    own = [name for name in names if name.split(".")[0] == "cadc"]
    parents = {".".join(name.split(".")[: i + 1]) for name in own for i in range(name.count(".") + 1)}
    return frozenset(file for name in parents if (file := file_of(name)))


#: What every stage uses, whole: one group of dependencies.
COMMON = ("requirements.lock", "src/cadc/__init__.py", "src/cadc/artifacts", "src/cadc/compute", "src/cadc/config")


def stage_code(script: Path) -> list[str]:
    """The code that a stage's dependencies must name, as paths from the repository's root.

    These are its script, the files of its closure and the common group. `curate` loads the selector that its arm
    names, which stands as `src/cadc/selectors/${item.method}.py`.
    """
    root = SOURCE.parent
    selectors = {path for path in (SOURCE / "cadc/selectors").glob("*.py") if "def select(" in path.read_text("utf-8")}
    by_name = SOURCE / "cadc/selectors/loading.py" in closure(script)
    files = set(closure(script, *(selectors if by_name else []))) - (selectors if by_name else set())
    named = {str(path.relative_to(root)) for path in files}
    named = {name for name in named if not name.startswith(COMMON) and not name.endswith("__init__.py")}
    return sorted([*COMMON, *named, *(["src/cadc/selectors/${item.method}.py"] if by_name else [])])


def closure(*paths: Path) -> list[Path]:
    """`paths` and every file of the package that they import, directly or not, sorted."""
    found: set[Path] = set()
    waiting = [path.resolve() for path in paths]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += imports(path)
    return sorted(found)
