"""The stages of a miniature run, killed in the middle and run by hand over outputs that are hard links to the cache."""

import os
import shlex
import signal
import subprocess
import sys
import time

import pytest
from miniature import clone, lock, run
from watching import until, working_in

pytestmark = pytest.mark.drill
#: Stages that take long enough to be killed in the middle, in the order of the DAG.
KILLED = ("prepare", "pool", "embed", "proxy@default", "capture@default", "attribute@default", "finetune@random")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("undisturbed"))
    run(folder, "dvc", "repro", workers="2")
    return folder


def killed_in(folder, stage, after):
    """`dvc repro` of one stage, killed as hard as can be `after` seconds from its start; whether it had not ended."""
    env = os.environ | {"CADC_WORKERS": "2", "PYTHONPATH": str(folder / "src")}
    dvc = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "-s", stage], cwd=folder, env=env, stdout=subprocess.DEVNULL
    )
    until(lambda: dvc.poll() is not None or len(working_in(folder)) > 1)
    time.sleep(after)
    ended = dvc.poll() is not None
    dvc.send_signal(signal.SIGKILL)
    dvc.wait()
    until(lambda: not working_in(folder), 90)  # on a busy machine a stage loads for that long before it sees
    return not ended


def test_every_stage_that_is_killed_twice_ends_in_the_bytes_of_one_that_is_not(undisturbed, tmp_path):
    """DVC is killed in the middle of every long stage, twice: nobody works on, and the results are those of a run that
    was left alone."""
    folder, killed = clone(tmp_path), []
    for stage in KILLED:
        for upstream in upstream_of(folder, stage):
            run(folder, "dvc", "repro", "-s", upstream, workers="2")
        killed += [killed_in(folder, stage, after) for after in (4, 7)]
        run(folder, "dvc", "repro", "-s", stage, workers="2")
    assert sum(killed) >= len(KILLED), "most stages had ended before they were killed"
    run(folder, "dvc", "repro", workers="2")
    mine, theirs = lock(folder), lock(undisturbed)
    assert {name: stage["outs"] for name, stage in mine.items()} == {name: s["outs"] for name, s in theirs.items()}


def upstream_of(folder, stage):
    """The stages before one that have not run yet."""
    said = run(folder, "dvc", "repro", "--dry", stage, check=False).stdout  # it stops at outputs that are still missing
    names = [line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage")]
    return [name for name in names if name != stage]


def test_no_stage_writes_through_its_outputs_into_the_cache(undisturbed):
    """A stage that is run by hand, as root, over hard links to the cache leaves the cache as it was."""
    fsck = [sys.executable, "-m", "cadc.compute.fsck"]
    run(undisturbed, *fsck)
    for name, stage in lock(undisturbed).items():
        run(undisturbed, *shlex.split(stage["cmd"].replace("python", sys.executable, 1)), workers="2")
        assert run(undisturbed, *fsck, check=False).returncode == 0, f"{name} wrote into the cache"
    assert "up to date" in run(undisturbed, "dvc", "status", "dvc.yaml").stdout  # and made the same bytes
