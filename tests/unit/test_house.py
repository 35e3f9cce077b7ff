"""The house: which package may import which. The list below is the architecture, and the code keeps to it."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import networkx
import pytest

from cadc.compute.closure import SOURCE, imports

#: From the ground up: a package imports what stands on lines above its own, and no other of its line.
ORDER = """
    config
    artifacts
    compute
    data
    world model
    training
    gradients
    features
    capabilities
    curation
    selectors
    cleaning
    evaluation
    metabolism
    compose
    export
    report doctor
    cli
"""
LEVEL = {package: level for level, line in enumerate(ORDER.split("\n")) for package in line.split()}
MODULES = sorted(path for path in (SOURCE / "cadc").rglob("*.py") if "tasks" not in path.parts)
LONGEST = 300  # lines of a module
#: Besides commands and stages: how a stage ends on a fault, how all ranks but the first leave, how what hangs ends, and
#: a process that looks at what may end it.
ENDING = ("cadc/compute/stage.py", "cadc/compute/launch.py", "cadc/compute/watch.py", "cadc/data/tables.py")


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def package(path: Path) -> str:
    parts = path.relative_to(SOURCE / "cadc").parts
    return parts[0] if len(parts) > 1 else ""


def holds_modules(path: Path) -> bool:
    """Whether a file is a package that holds others: importing any of them imports it."""
    return path.name == "__init__.py" and len(list(path.parent.glob("*.py"))) > 1


def is_command(path: Path) -> bool:
    return 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")


def test_every_package_has_its_place():
    assert {package(path) for path in MODULES} - {""} == set(LEVEL)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path):
    own = package(path)
    others = {(package(other), name_of(other)) for other in imports(path)} if own else set()
    above = {name for other, name in others if other and other != own and LEVEL[other] >= LEVEL[own]}
    assert not above, f"{name_of(path)} imports {sorted(above)}, which {own} does not stand on"


def test_no_module_imports_a_stage_or_a_test():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & {"stages", "tests", "benchmarks", ""}, name_of(path)


def test_there_is_no_circle_of_imports():
    graph = networkx.DiGraph([(path, other) for path in MODULES for other in imports(path) if not holds_modules(other)])
    circles = [component for component in networkx.strongly_connected_components(graph) if len(component) > 1]
    assert not circles, [sorted(map(name_of, circle)) for circle in circles]


def test_a_package_that_holds_modules_has_no_code_of_its_own():
    """Its `__init__.py` is in no stage's dependencies."""
    for path in MODULES:
        if holds_modules(path) and package(path):
            body = ast.parse(path.read_text(encoding="utf-8")).body
            assert all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body), path


def test_a_selector_imports_no_other_selector():
    folder = SOURCE / "cadc/selectors"
    selectors = {path for path in folder.glob("*.py") if "def select(" in path.read_text(encoding="utf-8")}
    assert len(selectors) > 20
    for path in selectors:
        assert not (imports(path) & selectors) - {path}, name_of(path)


def test_no_stage_hides_a_package():
    """Python puts a script's folder first: stages/evaluate.py would stand in for Hugging Face's `evaluate`."""
    names = sorted(path.stem for path in Path("stages").glob("*.py"))
    code = f"import importlib.util as u; print([name for name in {names} if u.find_spec(name)])"
    found = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert found.stdout.strip() == "[]"
    assert importlib.util.find_spec("evaluate"), "the test would find nothing"


def ends_the_process(path: Path) -> bool:
    """Whether it raises SystemExit, or calls what does."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise) and node.exc is not None and "SystemExit" in ast.unparse(node.exc):
            return True
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("sys.exit", "exit", "quit", "os._exit"):
            return True
    return False


def test_only_commands_end_the_process():
    ending = {name_of(path) for path in MODULES if ends_the_process(path) and not is_command(path)}
    assert ending == set(ENDING)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_fits_a_head(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_ruff_finds_nothing():
    """No unused name, no line too long, none that is laid out otherwise than the formatter does."""
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        found = subprocess.run([sys.executable, "-m", "ruff", *command, "."], capture_output=True, text=True)
        assert found.returncode == 0, found.stdout + found.stderr
