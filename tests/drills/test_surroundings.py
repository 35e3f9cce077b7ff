"""Stages and `cadc` in unusual environments: without HOME, in another locale, in a folder with an unusual name, in a
read-only folder, with a clock that was set back."""

import ast
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from made_pictures import file_of
from omegaconf import OmegaConf
from PIL import Image

from cadc.artifacts import write_json
from cadc.cli.__main__ import main
from cadc.cli.project import held
from cadc.compose.files import composed

ROOT = Path(__file__).parents[2]
#: As in a container.
PLAIN = {"LANG": "C", "LC_ALL": "C"}
MANIFEST = {"pool": {"sha256": "0"}, "method": "el2n", "by_source": {"ö": 2}}
NEED_TARGETS = ("arms.cadc", "arms.influence_coverage", "captures.default", "discoveries.cadc",
                "discoveries.influence_coverage")  # fmt: skip
NAME = "in öd Läden 店"


def ran(folder, *command, **more):
    """Run a command without HOME and without all other variables of the environment except the paths."""
    env = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ} | more
    env |= {"PYTHONPATH": str(ROOT / "src"), "CADC_WORKERS": "1"}
    done = subprocess.run([sys.executable, *command], cwd=folder, env=env, capture_output=True)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def made(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """Rows whose text and image names are not ASCII, and parameters that name them."""
    folder = tmp_path_factory.mktemp("there") / NAME
    (folder / "daten/bilder").mkdir(parents=True)
    rows = []
    for k in range(6):
        (folder / f"daten/bilder/bïld {k}.png").write_bytes(file_of(Image.new("RGB", (40 + k, 30), (30 * k, 0, 0))))
        question, answer = f"<image>\nWas ist größer als {k}?", "grün 緑"
        turns = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
        rows.append({"id": f"zeile ü{k}", "image": f"bïld {k}.png", "conversations": turns})
    (folder / "daten/zeilen.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    asked = ["data=folder", 'data.path="daten"', "data.annotations=zeilen.json", "data.images=bilder"]
    asked += ["data.choice=null", "data.yesno=null", "capture.targets=[]"]
    asked += [f"~{name}" for name in NEED_TARGETS]
    params = OmegaConf.to_container(composed(asked, ROOT / "conf"))
    (folder / "params.yaml").write_text(yaml.safe_dump(params, allow_unicode=True), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def ordinary(checkout):
    """The output of `prepare` for these rows in a usual environment."""
    code, said = ran(checkout, ROOT / "stages/prepare.py", LANG="C.UTF-8", HOME=str(checkout))
    assert code == 0, said
    return made(checkout / "artifacts/raw")


def test_a_stage_in_other_surroundings(checkout, ordinary):
    """A stage that is run by hand writes the same bytes without HOME, in another locale and in a folder with spaces and
    letters of two scripts."""
    code, said = ran(checkout, ROOT / "stages/prepare.py", **PLAIN)
    assert code == 0, said
    assert made(checkout / "artifacts/raw") == ordinary and len(ordinary) == 2


@pytest.fixture
def chosen(tmp_path):
    """Two training files as `cadc curate` writes them, with ids that are not ASCII."""
    folder = tmp_path / NAME
    folder.mkdir()
    for name, ids in (("a", "äb"), ("b", "b緑")):
        rows = [{"id": each, "chosen": True, "rank": k, "score": 0.5} for k, each in enumerate(ids)]
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.why.parquet")
        write_json(folder / f"{name}.manifest.json", MANIFEST)
        turns = [{"from": "human", "value": "Größer?"}, {"from": "gpt", "value": "ja 緑"}]
        records = [{"id": each, "conversations": turns} for each in ids]
        (folder / f"{name}.json").write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    return folder


def test_cadc_in_other_surroundings(chosen):
    """`cadc` prints the same text without HOME, in another locale and in a folder with spaces and letters of two
    scripts."""
    code, said = ran(chosen, "-m", "cadc.cli", "compare", "a.json", "b.json", **PLAIN)
    assert code == 0 and "in both: 1 rows" in said and "Traceback" not in said, said
    code, said = ran(chosen, "-m", "cadc.cli", "explain", "b", "a.json", **PLAIN)
    assert code == 0 and "gpt: ja" in said and "Traceback" not in said, said


def test_letters_that_python_would_read_otherwise_are_refused(checkout):
    """If Python decodes file names with an encoding other than UTF-8, stages and `cadc` stop with one message."""
    other = PLAIN | {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for name, command in (
        ("prepare", [ROOT / "stages/prepare.py"]),
        ("cadc explain", ["-m", "cadc.cli", *["explain", "a", "b"]]),
    ):
        code, said = ran(checkout, *command, **other)
        assert code == 1 and said.startswith(f"{name}: this process decodes file names as ascii; set PYTHONUTF8=1")


def one_sentence(capsys, *arguments):
    """The error message of `cadc`."""
    assert main([str(word) for word in arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_cadc_where_nothing_can_be_written(small_disk, monkeypatch, capsys):
    """If `cadc curate` can't write its folder, project or output, one message says so."""
    rows = small_disk / "rows.json"
    turns = [{"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": "4"}]
    rows.write_text(json.dumps([{"id": k, "conversations": turns} for k in range(4)]))
    with held(small_disk / "own"):  # an existing project
        pass
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    monkeypatch.chdir(small_disk)
    asked = ["curate", "rows.json", "--model", "mini", "--method", "random", "--budget", "50%", "--out"]
    there = small_disk.parent / "out.json"
    said = one_sentence(capsys, *asked, "out.json")
    assert said == "cadc curate: --out out.json: can't write there (Read-only file system)"
    said = one_sentence(capsys, *asked, there)
    assert said == "cadc curate: --work cadc-work: can't be created (Read-only file system); give another folder"
    said = one_sentence(capsys, *asked, there, "--work", "own")
    assert said.startswith("cadc curate: ") and "own/.cadc: its file system is read-only" in said
    assert not there.exists()


def test_cadc_whose_disk_is_full(small_disk, monkeypatch, capsys):
    """If the disk fills while `cadc curate` sets up its project, one message says so."""
    rows = small_disk.parent / "rows.json"
    turns = [{"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": "4"}]
    rows.write_text(json.dumps([{"id": k, "conversations": turns} for k in range(4)]))
    monkeypatch.chdir(small_disk)
    asked = ["curate", rows, "--model", "mini", "--method", "random", "--budget", "50%", "--out"]
    said = one_sentence(capsys, *asked, rows.with_name("out.json"))
    assert said.startswith("cadc curate: the disk is full; ") and not rows.with_name("out.json").exists()


#: Functions that read the time of day or a file's timestamp.
CLOCKS = {"time.time", "time.localtime", "time.gmtime", "time.strftime", "time.ctime", "datetime.now", "datetime.today",
          "datetime.utcnow", "date.today", "os.utime", "os.path.getmtime", "os.path.getctime"}  # fmt: skip
TIMES = ("st_mtime", "st_ctime", "st_atime", "st_birthtime")


def clocks(tree):
    """Where code reads the time of day or a file's timestamp."""
    for node in ast.walk(tree):
        said = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
        if said.startswith(tuple(CLOCKS)) or (said and node.attr.startswith(TIMES)):
            yield said


def test_no_code_asks_for_the_time_of_day():
    """No code reads the time of day or files' timestamps, except those of signs of life, where only a change counts."""
    files = [path for folder in ("src/cadc", "stages") for path in sorted((ROOT / folder).rglob("*.py"))]
    found = {str(path.relative_to(ROOT)): [*clocks(ast.parse(path.read_text(encoding="utf-8")))] for path in files}
    assert {name: said for name, said in found.items() if said} == {
        "src/cadc/compute/watch.py": ["file.stat().st_mtime"]
    }
    assert len([*clocks(ast.parse("time.time(); x.datetime.now(); datetime.now(); p.stat().st_mtime_ns"))]) == 3


def test_a_sign_of_life_with_a_clock_that_goes_back(tmp_path):
    """Signs of life from another machine still count if its clock is set back."""
    code = (
        "from pathlib import Path; import time; from cadc.compute import watch\n"
        "with watch.over('the others', hears=Path('alive')):\n    print('begun', flush=True); time.sleep(600)"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT / "src"), "CADC_TIMEOUT": str(3 / 3600)}
    alive = tmp_path / "alive"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=env, stdout=subprocess.PIPE)
    process.stdout.readline()
    try:
        for hour in range(12):
            alive.touch()
            os.utime(alive, (4e9 - 3600 * hour, 4e9 - 3600 * hour))
            time.sleep(0.5)
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()
