"""Stages of a miniature run, killed while they work, and run by hand over outputs that are hard links to the cache."""

import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cgroups import MemoryGroup
from miniature import ARMS, cells, clone, curate, lock, restoring, rows_of, run
from watching import until, working_in

from cadc.compose.half_written import mend

pytestmark = pytest.mark.drill
#: Stages that run long enough to be killed, in the order of the DAG.
KILLED = ("prepare", "pool", "embed", "proxy@default", "capture@default", "attribute@default", "finetune@random")

PIPELINES = ("pipelines/cleaning/dvc.yaml:crossfit", "pipelines/export/dvc.yaml:export@cadc",
             "pipelines/views/dvc.yaml:neighbours")  # fmt: skip
BY_HAND = ("cadc", "progress")  # arms that select rows before training, and during it
NO_AVX_512 = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD,-AVX512ER,-AVX512PF"
#: Makes libraries use the instructions of a CPU from before 2013.
OLD_CPU = {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR", "ATEN_CPU_CAPABILITY": "default",
           "ONEDNN_MAX_CPU_ISA": "SSE41", "OPENBLAS_CORETYPE": "Nehalem", "FAISS_SIMD_LEVEL": "NONE",
           "GLIBC_TUNABLES": f"{NO_AVX_512},-AVX2,-FMA,-AVX"}  # fmt: skip


def killed_in(folder, target, after, *options):
    """`dvc repro` of one stage, killed with SIGKILL `after` seconds from its start. True if it had not ended."""
    return killed_at(folder, after, "-s", *options, target)


def killed_at(folder, after, *arguments):
    """`dvc repro` as `make repro` starts it, killed with SIGKILL `after` seconds from the start of its first stage.
    True if it had not ended."""
    mend(folder)
    env = os.environ | {"CADC_WORKERS": "2", "PYTHONPATH": str(folder / "src")}
    command = [sys.executable, "-m", "dvc", "repro", *arguments]
    dvc = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL)
    until(lambda: dvc.poll() is not None or len(working_in(folder)) > 1)
    time.sleep(after)
    ended = dvc.poll() is not None
    dvc.send_signal(signal.SIGKILL)
    dvc.wait()
    until(lambda: not working_in(folder), 90)  # on a busy machine, a stage loads for that long before it notices
    return not ended


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A miniature in a folder with spaces and umlauts, with every setting changed that must not affect results."""
    for name, value in {"PYTHONHASHSEED": "17", "TZ": "Asia/Kathmandu", "LANG": "C", "LC_ALL": "C"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HOME")
    mask = os.umask(0o077)
    (tmp_path / "in öd Läden").mkdir()
    try:
        yield clone(tmp_path / "in öd Läden")
    finally:
        os.umask(mask)


def test_a_run_that_is_killed_at_random_moments_ends_in_the_bytes_of_one_that_is_not(undisturbed, elsewhere):
    """A whole run that is killed at eight random moments and resumed each time writes the same bytes, in a folder with
    spaces and umlauts, with another hash seed, time zone, locale and umask, and without HOME."""
    moments = random.Random(17)
    killed = [killed_at(elsewhere, moments.uniform(2, 60), "dvc.yaml") for _ in range(8)]
    assert sum(killed) >= 4, "it had ended before most kills"
    mend(elsewhere)
    run(elsewhere, "dvc", "repro", workers="2")
    assert outs(elsewhere) == outs(undisturbed)


@pytest.mark.parametrize("target", [*KILLED, *PIPELINES])
def test_a_stage_that_is_killed_twice_ends_in_the_bytes_of_one_that_is_not(undisturbed, target):
    """If DVC is killed twice during a long stage, no process keeps running, and the next run of the stage writes the
    same bytes."""
    pipeline, _, stage = target.rpartition(":")
    if pipeline:
        run(undisturbed, "dvc", "repro", target, workers="2")
    name = str(Path(pipeline).parent)
    before = outs(undisturbed, name)
    shutil.rmtree(undisturbed / "artifacts/scratch", ignore_errors=True)  # otherwise kept parts shorten it
    try:
        for after in (3, 6):
            while not killed_in(undisturbed, target, after, "-f"):
                after /= 2  # it had ended before
                assert after > 0.1
        mend(undisturbed)
        run(undisturbed, "dvc", "repro", "-s", "-f", target, workers="2")
        assert stage in before and outs(undisturbed, name) == before
    except AssertionError:
        run(undisturbed, "dvc", "checkout", "--force", "dvc.yaml")  # the next drills need these outputs
        raise


def outs(folder, pipeline=""):
    return {name: stage["outs"] for name, stage in lock(folder, pipeline).items()}


@pytest.fixture(scope="module")
def by_hand(undisturbed):
    """Every stage of some arms, run by hand as root over hard links to the cache: in one process, on a CPU that seems
    to have no AVX-512, and, if memory can be limited here, within 1.25 times the memory that its cost file states.

    Returns stage -> (exit status, whether `fsck` finds the cache intact, end of its messages), and why memory was not
    limited, "" if it was.
    """
    fsck, came = [sys.executable, "-m", "cadc.compute.fsck"], {}
    run(undisturbed, *fsck)
    left_out = {name for arm in ARMS if arm not in BY_HAND for name in cells(arm)}
    stages = {name: stage for name, stage in lock(undisturbed).items() if name not in left_out}
    peaks = {name: peak_of(undisturbed, name) for name in stages}
    shutil.rmtree(undisturbed / "artifacts/scratch", ignore_errors=True)  # otherwise kept parts replace the work
    try:
        group = MemoryGroup()
    except OSError as error:
        group, why = None, f"no group of processes may be made here: {error}"
    for name, stage in stages.items():
        command = shlex.split(stage["cmd"].replace("python", sys.executable, 1))
        if group is not None and peaks[name]:
            command = group.limited(round(1.25 * peaks[name]), command)
        done = run(undisturbed, *command, check=False, GLIBC_TUNABLES=NO_AVX_512)
        whole = run(undisturbed, *fsck, check=False).returncode == 0
        came[name] = (done.returncode, whole, done.stderr[-500:])
    if group is not None:
        group.close()
        why = ""
    return came, why


def peak_of(folder, name):
    """The memory of a stage's largest process in MB, from its cost file; None if the stage writes none."""
    path = folder / f"artifacts/costs/{name}.json"
    return json.loads(path.read_text())["peak_memory_mb"] if path.exists() else None


def test_no_stage_writes_through_its_outputs_into_the_cache(by_hand):
    """A stage that is run by hand as root, over hard links to the cache, leaves the cache unchanged."""
    assert not [name for name, (_, whole, _) in by_hand[0].items() if not whole]


def test_every_stage_keeps_to_the_memory_that_it_says_it_takes(by_hand):
    """A stage in one process succeeds within 1.25 times the memory that its cost file states."""
    came, why = by_hand
    if why:
        pytest.skip(why)
    assert not {name: said for name, (code, _, said) in came.items() if code}


def test_a_cpu_without_avx_512_gives_the_same_bytes(by_hand, undisturbed):
    """If the C library uses no AVX-512 either, every stage writes the same bytes."""
    assert not any(code for code, *_ in by_hand[0].values())
    assert "up to date" in run(undisturbed, "dvc", "status", "dvc.yaml").stdout


def test_selections_from_the_same_features_are_those_of_an_old_cpu(undisturbed):
    """On a CPU without AVX2 and FMA, every method of the miniature selects the same rows from the same features."""
    before = {path: path.read_bytes() for path in (undisturbed / "artifacts/selections").rglob("*.parquet")}
    curate(undisturbed, *ARMS, **OLD_CPU)
    assert before and {path: path.read_bytes() for path in before} == before


def test_answers_in_parts_of_another_size_are_the_same_bytes(undisturbed):
    """If questions are answered in parts of another size, `score` writes the same bytes."""
    made = undisturbed / "reports/arms/random"
    before = bytes_in(made)
    with restoring(undisturbed, evaluate__shard_questions=7):
        shutil.rmtree(undisturbed / "artifacts/scratch", ignore_errors=True)
        run(undisturbed, sys.executable, "stages/score.py", "random", workers="2")
        assert before and bytes_in(made) == before


def test_gradients_in_parts_of_another_size_choose_the_same_rows(undisturbed):
    """If gradients are computed in parts of another size, so that a row's batch holds other rows, its influence changes
    only by rounding, and the same rows are selected."""
    influence, arms = undisturbed / "artifacts/influence/default/influence.npy", ("cadc", "influence_coverage")
    before, chosen = np.load(influence), [rows_of(undisturbed, arm) for arm in arms]
    with restoring(undisturbed, capture__shard_rows=47):
        run(undisturbed, "dvc", "repro", *(f"curate@{arm}" for arm in arms), workers="2")
        assert np.abs(np.load(influence) - before).max() < 1e-5 * np.abs(before).max()
        assert [rows_of(undisturbed, arm) for arm in arms] == chosen


def bytes_in(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
