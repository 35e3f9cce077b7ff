"""A stage's dependencies are its imports: no edit leaves a stale result, and none reruns what it can't touch."""

import re
from pathlib import Path

import pytest
import yaml

from cadc.compute.closure import closure, stage_code

#: What stages read that is no Python.
READ = {"src/cadc/evaluation/tasks", "src/cadc/features/skills.txt"}
PIPELINES = [Path("dvc.yaml"), *sorted(Path("pipelines").glob("*/dvc.yaml"))]


def stages():
    for file in PIPELINES:
        for name, stage in yaml.safe_load(file.read_text())["stages"].items():
            body = stage.get("do", stage)
            if found := re.search(r"stages/\w+\.py", body["cmd"]):
                yield f"{file}:{name}", Path(found[0]), body


@pytest.mark.parametrize("name, script, body", stages(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_stage_depends_on_the_code_it_imports_and_no_other(name, script, body):
    stated = {dep for dep in body["deps"] if dep.startswith(("src/", "stages/", "requirements"))} - READ
    code = set(stage_code(script))
    assert stated == code, f"{name} lacks {sorted(code - stated)} and has in vain {sorted(stated - code)}"


@pytest.mark.parametrize("name, script, body", stages(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_stage_states_the_parameters_that_its_script_reads(name, script, body):
    stated = set()
    for entry in body.get("params", []):
        for key in next(iter(entry.values())) if isinstance(entry, dict) else [entry]:
            stated |= set(key.split("."))
    if script.stem == "gate":  # one script, two stages
        stated |= {"gate", "plateau"}
    read = set(re.findall(r"\bparams\.([a-z_]+)", script.read_text())) - {"run", "trajectories", "model_copy"}
    read = {{"arm": "arms"}.get(key, key) for key in read}
    levels = {"discover": "discoveries", "features": "feature_sets", "match": "matchings"}
    assert not {key for key in read if key not in stated and levels.get(key) not in stated}, name


def test_imports_in_functions_count_and_those_for_type_checkers_do_not(tmp_path):
    script = tmp_path / "stage.py"
    script.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from cadc.world import scene\n"
        "def main():\n    from cadc.config import budgets\n"
    )
    found = {path.name for path in closure(script)}
    assert {"stage.py", "budgets.py"} <= found and "scene.py" not in found


def test_what_is_imported_by_what_is_imported_counts():
    assert Path("src/cadc/training/schedule.py").resolve() in closure(Path("stages/finetune.py"))
    assert Path("src/cadc/training/schedule.py").resolve() not in closure(Path("stages/curate.py"))
