"""A miniature of this repository elsewhere: how it is made, run and changed, for the tests beside this file."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import yaml

ROOT = Path(__file__).parents[2]
SOCKETS = Path(__file__).with_name("sockets")
SMALL = (
    "seeds=[0,1]", "budget=0.1", "world.rows=200", "benchmarks.probe_per_subtask=2", "benchmarks.probe_pope_images=2",
    "benchmarks.probe_llava_wild_images=2", "benchmarks.score_per_subtask=2", "benchmarks.pope_images=3",
    "benchmarks.llava_wild_images=2", "sizes.report_clusters=10", "sizes.progress_clusters=5",
    "sizes.semdedup_clusters=10", "sizes.concept_clusters=20", "proxy.snapshots=2", "proxy.seeds=[0,1]",
    "crossfit.epochs=0.5", "crossfit.matching.epochs=0.5", "crossfit.matching.members=1", "capture.shard_rows=60",
    "capture.projection=512", "match.keep_width=128", "++finetune.epochs={b10:2.0,b100:1.0}", "evaluate.bootstrap=20",
    "arms.progress.select.gap=0.25",
)  # fmt: skip
N_ROWS, N_CHOSEN = 200, 20
ARMS = ("cadc", "influence_coverage", "progress", "random", "task_budget_random", "full")
CELLS = ("curate", "finetune", "score")
METHODS = list(yaml.safe_load((ROOT / "conf/methods.yaml").read_text())["methods"])
METHODS_YAML = "pipelines/methods/dvc.yaml"  # of the one study that the miniature always has
STUDY = """\
title: Methods
tables:
- title: Another model
  split: probe
  seeds: [0]
  rows:
  - {arm: random, set: {tuned.path: models/small}}
- title: All
  seeds: [0]
  rows:
""" + "".join(f"  - {{arm: {name}}}\n" for name in METHODS)


def run(folder, *command, workers="1", check=True, **more):
    env = os.environ | more | {"CADC_WORKERS": workers, "PYTHONPATH": f"{folder / 'src'}:{SOCKETS}"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def repro(folder, *arguments, **more) -> set[str]:
    """The stages that `dvc repro` ran, or would run with --dry."""
    out = run(folder, "dvc", "repro", *arguments, **more).stdout
    return {line.split("'")[1] for line in out.splitlines() if line.startswith("Running stage")}


def curate(folder, *commands, **more):
    """`stages/curate.py` with each of these arguments, all in one process: imports are most of a stage here."""
    code = (
        f"import runpy, sys\nfor words in {[command.split() for command in commands]}:\n"
        "    sys.argv = ['stages/curate.py', *words]\n    runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    return run(folder, sys.executable, "-c", code, **more)


def compose(folder, *more):
    run(folder, sys.executable, "-m", "cadc.compose", *SMALL, *more)


def clone(folder, *more):
    """A copy of the working tree with miniature parameters and one small study, under git."""
    for name in ("dvc.yaml", "requirements.lock", ".gitignore", ".dvcignore", ".dvc/config", "data/README.md"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in ("src", "stages", "models", "towers", "conf", "pipelines"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "dvc.lock"))
    for study in (folder / "conf/studies").iterdir():
        study.unlink()
    (folder / "conf/studies/methods.yaml").write_text(STUDY)
    compose(folder, *more)
    run(folder, "git", "init", "-q")
    return folder


def change(folder, key, value):
    """Set a value of params.yaml that is there already."""
    params = yaml.safe_load((folder / "params.yaml").read_text())
    *above, last = key.split(".")
    section = params
    for name in above:
        section = section[name]
    assert last in section
    section[last] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


@contextmanager
def restoring(folder, **values):
    """Set values of params.yaml, `__` for dots; at the end put parameters, the lock, reports and all they name back.

    Reports are in git, so DVC's cache does not have them.
    """
    kept = [folder / "params.yaml", folder / "dvc.lock", *(p for p in (folder / "reports").rglob("*") if p.is_file())]
    before = {path: path.read_bytes() for path in kept}
    try:
        for key, value in values.items():
            change(folder, key.replace("__", "."), value)
        yield
    finally:
        shutil.rmtree(folder / "reports")
        for path, content in before.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        run(folder, "dvc", "checkout", "--force", "dvc.yaml")


@contextmanager
def without(folder, *names):
    """As if these were not there; what was made in their place is gone at the end."""
    away = folder / "away"
    away.mkdir()
    for k, name in enumerate(names):
        (folder / name).rename(away / str(k))
    try:
        yield
    finally:
        for k, name in enumerate(names):
            shutil.rmtree(folder / name, ignore_errors=True)
            (away / str(k)).rename(folder / name)
        away.rmdir()


@contextmanager
def study(folder, text):
    """With conf/studies/mine.yaml composed; at the end it is gone again, and with it pipelines/mine."""
    try:
        state(folder, text)
        yield
    finally:
        (folder / "conf/studies/mine.yaml").unlink()
        compose(folder)
    assert not (folder / "pipelines/mine").exists()


def state(folder, text):
    (folder / "conf/studies/mine.yaml").write_text(text)
    compose(folder)


def rows_of_table(folder, name, table) -> list[dict]:
    """The rows of a study's table, each with its label and its arm."""
    return json.loads((folder / f"pipelines/{name}/params.json").read_text())["tables"][table]["rows"]


def cells(arm, pipeline="") -> set[str]:
    """The stages of an arm."""
    return {f"{pipeline}{':' if pipeline else ''}{stage}@{arm}" for stage in CELLS}


def lock(folder, name="") -> dict:
    return yaml.safe_load((folder / name / "dvc.lock").read_text())["stages"]


def rows_of(folder, arm, seed=0):
    return pq.read_table(folder / f"artifacts/selections/{arm}/s{seed}.parquet")["row"].to_pylist()


def reports(folder) -> dict[str, bytes]:
    """Every file of reports/ that git keeps."""
    files = [path for path in (folder / "reports").rglob("*") if path.is_file() and path.name != "costs.md"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def killed(folder, made, *command):
    """Start a stage and kill it once `made()` finds something."""
    env = os.environ | {"CADC_WORKERS": "1", "PYTHONPATH": str(folder / "src")}
    process = subprocess.Popen([sys.executable, *command], cwd=folder, env=env, stdout=subprocess.DEVNULL)
    while process.poll() is None and not made():
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert made()
