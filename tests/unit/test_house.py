"""The house: which package may import which. The next person must see the architecture from the folder listing."""

import ast
import subprocess
import sys
from pathlib import Path

import networkx
import pytest

from cadc.compute.closure import SOURCE, imports

#: From the ground up. A package imports what stands before it, and itself.
ORDER = [
    "config",
    "artifacts",
    "compute",
    "data",
    "world",
    "model",
    "training",
    "gradients",
    "features",
    "capabilities",
    "curation",
    "selectors",
    "cleaning",
    "evaluation",
    "metabolism",
    "compose",
    "report",
    "doctor",
]
MODULES = sorted(path for path in (SOURCE / "cadc").rglob("*.py") if "tasks" not in path.parts)


def package(path: Path) -> str:
    parts = path.relative_to(SOURCE / "cadc").parts
    return parts[0] if len(parts) > 1 else ""


def test_every_package_has_its_place():
    assert {package(path) for path in MODULES} - {""} == set(ORDER)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_arrow_points_up(path):
    if own := package(path):
        above = {package(other) for other in imports(path) if package(other)} - set(ORDER[: ORDER.index(own) + 1])
        assert not above, f"{path} imports of {above}, which stand above {own}"


def test_no_circle():
    graph = networkx.DiGraph(
        [(path, other) for path in MODULES for other in imports(path) if other.name != "__init__.py"]
    )
    assert not list(networkx.simple_cycles(graph))


def test_a_selector_imports_no_other_selector():
    selectors = {path for path in (SOURCE / "cadc/selectors").glob("*.py") if "def select(" in path.read_text()}
    for path in selectors:
        assert not (imports(path) & selectors) - {path}, path


def test_no_stage_hides_a_package():
    """Python puts a script's folder before all others: stages/evaluate.py would stand in for Hugging Face's `evaluate`."""
    names = sorted(path.stem for path in Path("stages").glob("*.py"))
    code = f"import importlib.util as u; print([n for n in {names} if u.find_spec(n)])"
    found = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert found.stdout.strip() == "[]"


def test_only_commands_end_the_process():
    for path in MODULES:
        tree = ast.parse(path.read_text())
        ends = any(isinstance(node, ast.Raise) and "SystemExit" in ast.unparse(node) for node in ast.walk(tree))
        command = "__main__" in path.read_text() or path.name == "__main__.py"
        assert not ends or command or path.parent.name == "compute", path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_fits_a_head(path):
    assert len(path.read_text().splitlines()) <= 380
