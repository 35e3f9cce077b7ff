"""What the wheel holds: all of the package, and what `cadc curate` lays out for a project of one's own."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LEFT_OUT = {"__pycache__", "_project"}
BUILD = "import sys, hatchling.build; print(hatchling.build.build_wheel(sys.argv[1]))"


def files(folder: Path) -> set[str]:
    """The files below a folder that git has, relative to it."""
    listed = subprocess.run(["git", "ls-files", "-z", "."], cwd=folder, capture_output=True, check=True, text=True)
    names = {name for name in listed.stdout.split("\0") if name and (folder / name).is_file()}
    return {name for name in names if not LEFT_OUT.intersection(Path(name).parts)}


@pytest.fixture(scope="module")
def members(tmp_path_factory) -> set[str]:
    """The names in the wheel; CADC_BUILD_PYTHON names a Python that has the build backend, where this one has not."""
    python, out = os.environ.get("CADC_BUILD_PYTHON", sys.executable), tmp_path_factory.mktemp("wheel")
    if subprocess.run([python, "-c", "import hatchling"], capture_output=True).returncode:
        pytest.skip("hatchling is not installed, and nothing is fetched here")
    made = subprocess.run([python, "-c", BUILD, out], cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    with zipfile.ZipFile(next(out.glob("cadc-*.whl"))) as wheel:
        return set(wheel.namelist())


def test_the_wheel_holds_the_whole_package(members):
    """Data files too: the page's assets, skills.txt, objects.jsonl."""
    assert {f"cadc/{name}" for name in files(ROOT / "src/cadc")} <= members
    assert {"cadc/features/skills.txt"} <= members


def test_the_wheel_holds_what_a_project_is_laid_out_from(members):
    for source, place in SETTINGS["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"].items():
        there = {place} if (ROOT / source).is_file() else {f"{place}/{name}" for name in files(ROOT / source)}
        assert there and there <= members, source
    assert {"cadc/_project/conf/config.yaml", "cadc/_project/conf/templates/vicuna_v1.jinja"} <= members


def test_the_wheel_has_its_command_and_no_tests(members):
    name = next(each for each in members if each.endswith("entry_points.txt"))
    assert name.startswith("cadc-")
    assert not [each for each in members if each.startswith(("tests/", "reports/", "artifacts/")) or "/tests/" in each]
