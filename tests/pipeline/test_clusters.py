"""docs/clusters.md and docs/slurm.sbatch as they stand, on a tiny DVC project: two machines are two torchruns of this
one, and Slurm's `srun` is a few lines that start what it is given once for each."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
#: Stages of the names that the script runs, each as `python stages/NAME.py [KEY]`.
STAGE = """
import sys
from pathlib import Path
import numpy as np
from cadc.compute import shards

def make():
    return lambda key, folder: np.save(folder / "x.npy", np.full(3, key))

name, out = Path(__file__).stem, Path("artifacts", Path(__file__).stem, *sys.argv[1:])
if __name__ == "__main__":
    folders = shards.run(make, list(range(4)), name, [Path("models")], "")
    out.mkdir(parents=True, exist_ok=True)
    shards.join(folders, "x.npy", out / "x.npy", 12)
    with open(f"{name}.ran", "a") as file:
        print(*sys.argv[1:], file=file)
"""
#: A cell of two arms, each of which waits in its training until the other one trains, too.
CELL = """
import sys, time
from pathlib import Path
name, arm = Path(__file__).stem, sys.argv[1]
Path(f"{name}.{arm}.started").touch()
end = time.monotonic() + 240
while name == "finetune" and len(list(Path().glob("finetune.*.started"))) < 2:
    assert time.monotonic() < end, "the other arm does not run beside this one"
    time.sleep(0.05)
out = Path("artifacts", name, arm)
out.mkdir(parents=True)
(out / "made").write_text(arm)
"""
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
for node in 1 0; do SLURM_NODEID=$node "$@" & jobs+=($!); done
for job in "${jobs[@]}"; do wait $job || exit 1; done
"""


def run(folder, *command, **more):
    path = f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = os.environ | {"PYTHONPATH": str(ROOT / "src"), "CADC_WORKERS": "1", "PATH": path} | more
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def said(process, code=0):
    text, _ = process.communicate(timeout=600)
    assert process.returncode == code, text
    return text


@pytest.fixture
def project(tmp_path):
    """A repository with DVC, without a stage."""
    for name in ("stages", "bin", "models", ".venv/bin", "docs"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "models/weights").write_text("w")
    (tmp_path / ".venv/bin/activate").touch()
    said(run(tmp_path, "git", "init", "-q"))
    said(run(tmp_path, "dvc", "init", "-q"))
    return tmp_path


def write(project, code, stages):
    """dvc.yaml of `stages`: for each its keys, None for a stage without, and the stages it depends on."""
    made = {}
    for name, (keys, above) in stages.items():
        (project / f"stages/{name}.py").write_text(code)
        key = " ${item}" if keys else ""
        do = {
            "cmd": f"python stages/{name}.py{key}",
            "deps": [f"stages/{name}.py", *(f"artifacts/{one}{key.replace(' ', '/')}" for one in above)],
            "outs": [f"artifacts/{name}{key.replace(' ', '/')}"],
        }
        made[name] = {"foreach": keys, "do": do} if keys else do
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": made}, sort_keys=False))


def test_the_slurm_script_runs_a_stage_on_all_machines_and_dvc_takes_note(project):
    write(
        project,
        STAGE,
        {
            "pool": (None, []),
            "proxy": (["default"], []),
            "capture": (["default"], ["proxy"]),
            "attribute": (["default"], ["capture"]),
        },
    )
    shutil.copy(ROOT / "docs/slurm.sbatch", project / "docs")
    (project / "bin/srun").write_text(SRUN)
    (project / "bin/srun").chmod(0o755)
    machines = {"SLURM_NNODES": "2", "SLURM_GPUS_ON_NODE": "1", "PORT": "29473", "CADC_TIMEOUT": "0.05"}
    text = said(run(project, "bash", "docs/slurm.sbatch", **machines))
    assert (project / "attribute.ran").read_text() == "default\n", text  # by rank 0 alone, and not again by `dvc repro`
    assert (project / "artifacts/attribute/default/x.npy").exists()
    assert "Stage 'attribute@default' didn't change, skipping" in text
    assert "up to date" in said(run(project, "dvc", "status"))


def test_cells_run_beside_each_other_as_the_document_says(project):
    commands = re.findall(r"dvc (--wait-for-lock repro -s .*@\w+)", (ROOT / "docs/clusters.md").read_text())
    assert len(commands) == 2
    arms = [command.rpartition("@")[2] for command in commands]
    write(project, CELL, {"curate": (arms, []), "finetune": (arms, ["curate"]), "score": (arms, ["finetune"])})
    both = [run(project, "dvc", *command.split()) for command in commands]
    for process, arm in zip(both, arms, strict=True):
        text = said(process)
        assert all(f"{stage}@{arm}" in text for stage in ("curate", "finetune", "score"))
    lock = yaml.safe_load((project / "dvc.lock").read_text())["stages"]
    assert set(lock) == {f"{stage}@{arm}" for stage in ("curate", "finetune", "score") for arm in arms}
    assert "up to date" in said(run(project, "dvc", "status"))
    assert "Running stage" not in said(run(project, "dvc", "repro"))
