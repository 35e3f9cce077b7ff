"""A stage depends on its imports and its parameters: no edit leaves a stale result or reruns what it can't touch."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from cadc.compose.deps import code_of, rewritten
from cadc.compute import closure as closures
from cadc.compute.closure import closure, stage_code
from cadc.config.arms import LEVELS, Arm
from cadc.config.params import Params, load_params
from cadc.model.misfits import inputs_of

#: One script, two stages: what one of them does not read.
OF_ANOTHER_STAGE = {
    "pipelines/testbed/dvc.yaml:gate": {"plateau"},
    "pipelines/testbed/dvc.yaml:plateau": {"evaluate.bootstrap"},
}
#: Which variants a variant is made from: its dependencies name their artifacts.
POINTERS = {"run", "trajectories"}


def stages():
    """Every stage that runs a script of stages/, of every pipeline: its name, the script, what dvc.yaml says."""
    for file in [Path("dvc.yaml"), *sorted(Path("pipelines").glob("*/dvc.yaml"))]:
        for name, stage in yaml.safe_load(file.read_text())["stages"].items():
            body = stage.get("do", stage)
            if found := re.search(r"stages/\w+\.py", body["cmd"]):
                yield pytest.param(f"{file}:{name}", Path(found[0]), body, id=f"{file}:{name}")


def foreach(name: str) -> bool:
    """Whether the stage `FILE:NAME` is one a variant."""
    file, _, stage = name.partition(":")
    return "do" in yaml.safe_load(Path(file).read_text())["stages"][stage]


STAGES = list(stages())


def lines(names) -> str:
    return "\n".join(f"      - {name}" for name in sorted(names)) or "      none"


@pytest.mark.parametrize("name, script, body", STAGES)
def test_a_stage_depends_on_the_code_it_imports_and_on_no_other(name, script, body):
    stated = {dep for dep in body["deps"] if dep.startswith(("src/", "stages/", "requirements"))}
    code = set(code_of(script, foreach(name)))
    missing, superfluous = code - stated, stated - code
    said = f"{name}, deps\nmissing:\n{lines(missing)}\nsuperfluous:\n{lines(superfluous)}"
    assert not missing and not superfluous, f"{said}\nmake deps writes them"


def test_missing_dependencies_are_written_and_nothing_else_changes():
    whole = Path("dvc.yaml").read_text()
    less = re.sub(r" *- (src/cadc/data/checks.py|stages/prepare.py)\n", "", whole)
    assert (
        less != whole
        and rewritten(less.replace("deps:\n", "deps:\n      - src/cadc/no_more.py\n", 1), Path(".")) == whole
    )


def parameters_read(script: Path) -> set[str]:
    """Dotted keys of params.yaml that a script names itself: `params.section.key`, as far as these are keys."""

    def dotted(node: ast.expr) -> list[str] | None:
        if isinstance(node, ast.Attribute) and (path := dotted(node.value)) is not None:
            return [*path, node.attr]
        is_call = isinstance(node, ast.Call) and ast.unparse(node.func) == "load_params"
        return [] if is_call or (isinstance(node, ast.Name) and node.id == "params") else None

    return {
        ".".join(key)
        for node in ast.walk(ast.parse(script.read_text()))
        if isinstance(node, ast.Attribute) and (path := dotted(node)) and (key := keys_of(path))
    }


def keys_of(path: list[str]) -> list[str]:
    """The part of a path of attributes that is a key of params.yaml; the rest are methods."""
    kind, found = Params, []
    for part in path:
        if not (isinstance(kind, type) and issubclass(kind, BaseModel) and part in kind.model_fields):
            break
        kind = Arm if part == "arm" else kind.model_fields[part].annotation
        found.append(part)
    return found


def parameters_stated(body: dict) -> set[str]:
    """Dotted keys as the stage's script sees them: a variant's sections stand in the place of those of params.yaml."""
    stated = set()
    for entry in body.get("params", []):
        for key in next(iter(entry.values())) if isinstance(entry, dict) else [entry]:
            level, _, rest = key.removeprefix("${item.within}").partition(".${key}")
            rest = rest.removeprefix(".")
            if level not in LEVELS or key == level:
                stated.add(level)
            elif level == "discoveries" and not rest:
                stated.add("discover")
            else:
                stated.add(f"arm.{rest}" if rest.partition(".")[0] in Arm.model_fields else rest)
    return stated


@pytest.mark.parametrize("name, script, body", STAGES)
def test_a_stage_states_the_parameters_that_its_script_reads(name, script, body):
    """A key, or a section that holds it; of a section that the script hands on, at least a part."""
    stated = parameters_stated(body) | OF_ANOTHER_STAGE.get(name, set())
    read = {key for key in parameters_read(script) if key not in POINTERS}
    lacking = {
        key for key in read if not any(f"{key}.".startswith(f"{s}.") or f"{s}.".startswith(f"{key}.") for s in stated)
    }
    assert not lacking, f"{name}, params\nmissing:\n{lines(lacking)}"


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A package `cadc` of a few lines, and a stage of it."""
    files = {
        "src/cadc/__init__.py": "",
        "src/cadc/world/__init__.py": "",
        "src/cadc/world/scene.py": "import numpy",
        "src/cadc/world/far.py": "from cadc.world import scene",
        "src/cadc/world/typed.py": "",
        "src/cadc/selectors/__init__.py": "",
        "src/cadc/selectors/loading.py": "from importlib import import_module\n\n"
        "def load(name):\n    import_module(name)",
        "src/cadc/selectors/one.py": "from cadc.selectors.shared import unit\n\ndef select(signal): ...",
        "src/cadc/selectors/shared/__init__.py": "",
        "src/cadc/selectors/shared/unit.py": "",
        "stages/plain.py": "def main():\n    from cadc.world.far import scene",
        "stages/typed.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from cadc.world import typed\n"
        "else:\n    import cadc.world.scene",
        "stages/curate.py": "from cadc.selectors.loading import load",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(closures, "SOURCE", tmp_path / "src")
    return tmp_path


def test_the_pool_depends_on_all_that_decides_which_rows_fit():
    settings, *_ = inputs_of(load_params().model, Path("artifacts/raw"))
    stated = yaml.safe_load(Path("dvc.yaml").read_text())["stages"]["pool"]["params"]
    assert {f"model.{name}" for name in settings if name != "watched"} <= set(stated)


def own_code(script: Path) -> list[str]:
    return [name for name in stage_code(script) if name not in closures.COMMON]


def test_imports_count_in_functions_and_of_what_is_imported(tiny):
    script = tiny / "stages/plain.py"
    assert own_code(script) == ["src/cadc/world/far.py", "src/cadc/world/scene.py", "stages/plain.py"]
    assert closure(script) == sorted(
        tiny / name
        for name in (
            "src/cadc/__init__.py",
            "src/cadc/world/__init__.py",
            "src/cadc/world/far.py",
            "src/cadc/world/scene.py",
            "stages/plain.py",
        )
    )


def test_imports_for_type_checkers_do_not_count(tiny):
    assert own_code(tiny / "stages/typed.py") == ["src/cadc/world/scene.py", "stages/typed.py"]


def test_what_loads_selectors_by_name_depends_on_what_they_share_and_on_the_one_that_is_named(tiny):
    assert own_code(tiny / "stages/curate.py") == [
        "src/cadc/selectors/${item.method}.py",
        "src/cadc/selectors/loading.py",
        "src/cadc/selectors/shared/unit.py",
        "stages/curate.py",
    ]
