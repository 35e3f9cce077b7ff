"""The files of this repository that a file imports, directly or not: a stage's code, which identifies its results.

`dvc.yaml` lists these files as a stage's dependencies (a test compares), and shards made by other code are not reused.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]  # src/


def file_of(module: str) -> Path | None:
    """The file of one of the package's modules by dotted name; None if there is none."""
    path = SOURCE / Path(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def imports(path: Path) -> frozenset[Path]:
    """The package's files that `path` imports, also inside functions but not for type checkers only, and the packages
    that contain them."""
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


#: Dependencies of every stage, as a whole.
COMMON = ("requirements.lock", "src/cadc/__init__.py", "src/cadc/artifacts", "src/cadc/compute", "src/cadc/config")


def stage_code(script: Path) -> list[str]:
    """The code that a stage's dependencies must list, as paths from the repository's root.

    These are its script, the files of its closure and the common group. `curate` loads its arm's selector by name,
    which is listed as `src/cadc/selectors/${item.method}.py`.
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
